"""The drills of the trial in the browser hold at a small size, and fail where what they prove is taken away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from equipoise.web.drill import blind
from equipoise.web.drill.worlds import CANARIES, World, make_world, masked_protocol, run_script


@pytest.fixture(scope="module")
def worlds() -> Iterator[tuple[World, World]]:
    protocol = masked_protocol()
    made = tuple(make_world(protocol, swapped=swapped, n=2) for swapped in (False, True))
    for world in made:
        world.most = 14
        run_script(world, roles=("carol", "ruth"))
    yield made  # type: ignore[misc]
    for world in made:
        world.close()


def test_nothing_that_a_blinded_role_fetches_tells_two_worlds_with_exchanged_arms_apart(
    worlds: tuple[World, World],
) -> None:
    one, two = worlds
    assert all({one.arms[person], two.arms[person]} == set(CANARIES) for person in one.arms)
    assert one.arms
    assert blind.differing(one, two) == []
    assert blind.statements(one, two) == []
    assert blind.named(one) == []
    assert sum(name.startswith("participant GET") for name in one.seen) == 5
    assert any(name.startswith("export blinded") for name in one.seen)
    assert any(name.startswith("receipt") for name in one.seen)


def test_a_leak_by_any_channel_is_caught(worlds: tuple[World, World]) -> None:
    caught = blind.planted(*worlds)
    assert [channel for channel, found in caught.items() if not found] == []
    assert len(caught) >= 30


def test_a_name_is_found_however_it_is_spelt(worlds: tuple[World, World]) -> None:
    one = worlds[0]
    before = dict(one.seen)
    for number, spelt in enumerate(spelt for word in CANARIES for spelt in blind.spellings(word)):
        one.seen = {f"page {number}": b"<p>" + spelt + b"</p>"}
        assert blind.named(one) == [f"page {number}"], spelt
    one.seen = before


def test_the_arm_is_guessed_where_it_is_told_and_nowhere_else() -> None:
    area, error = blind.guessed(60)
    assert abs(area - 0.5) <= 4 * error
    assert blind.guessed(60, told=True)[0] > 0.9


@pytest.fixture
def usual_pass_phrases() -> Iterator[None]:
    """The server is a process of its own, and knows the usual way to hash passphrases alone."""
    from django.conf import settings
    from django.contrib.auth import hashers

    before = settings.PASSWORD_HASHERS
    usual = [name for name in before if "tests_conduct_hasher" not in name]  # of two packages it can stand there twice
    for value in (usual, before):
        settings.PASSWORD_HASHERS = value
        hashers.get_hashers.cache_clear()
        hashers.get_hashers_by_algorithm.cache_clear()
        if value is not before:
            yield


@pytest.mark.usefixtures("usual_pass_phrases")
def test_no_write_is_lost_or_doubled_while_the_server_is_killed() -> None:
    from equipoise.web.drill.web import put_under_load

    load, found = put_under_load(None, people=5, rounds=6, kills=1, thinking=0.3, participants=2)
    assert found == {"lost": 0, "doubled": 0, "findings": 0, "not restored": 0, "fence": "C018"}
    assert load.acknowledged
    assert load.kills == 1
    assert not [status for status in load.answers if status >= 500], load.faults
