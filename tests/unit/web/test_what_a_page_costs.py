"""What a page costs: as many statements however much there is, and people who sign in keep nobody else waiting."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from equipoise.conduct.trial.trial import Trial

from .conftest import Desk, post


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    said: list[str] = []
    real = Trial.run

    def run(self: Trial, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        said.append(statement)
        return real(self, statement, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(Trial, "run", run)
        yield said


def test_pages_ask_the_database_no_more_for_more_queries_and_more_forms(
    at_day_9: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = at_day_9
    carol = desk.client("carol")
    pages = ("/today/", "/p/", "/p/P-1/", "/queries/")

    def statements() -> list[int]:
        out = []
        for at in pages:
            assert carol.get(at).status_code == 200
            with counted(monkeypatch) as said:
                carol.get(at)
            out.append(len(said))
        return out

    desk.do("carol", "visit", participant="P-1", visit="day-9")
    desk.do("mona", "query", participant="P-1", text="Is the sheet signed?")
    before = statements()
    for number in range(4):
        desk.do("mona", "query", participant="P-1", text=f"And sheet {number}?")
    desk.do("carol", "record", participant="P-1", visit="day-9", form="urine", answers={"cocaine": "negative"})
    desk.do("ruth", "calendar", participant="P-1", first="2027-03-13", last="2027-03-15")
    assert statements() == before


def test_a_file_put_in_the_place_of_the_database_is_the_one_that_is_written(desk: Desk) -> None:
    """A connection is kept from one page to the next; SQLite would go on writing into a file that was moved away."""
    trial = desk.staged.trial
    mona = desk.client("mona")
    desk.do("carol", "screen", participant="P-1", site="main")
    post(mona, "/p/P-1/query/", text="Is the sheet signed?")
    list(trial.run("PRAGMA wal_checkpoint(TRUNCATE)"))
    aside = trial.directory / "aside"
    aside.mkdir()
    for part in trial.directory.glob("trial.sqlite3*"):
        part.rename(aside / part.name)
    shutil.copy(aside / "trial.sqlite3", trial.sqlite_file)
    post(mona, "/p/P-1/query/", text="Where is the file now?")
    trial.close()
    assert desk.staged.rows("SELECT count(*) FROM query") == [(2,)]


def test_pass_phrases_are_held_against_their_hashes_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth import hashers

    from equipoise.conduct.keys.credentials import is_right

    at_once = [0, 0]

    def slow(passphrase: str, encoded: str) -> bool:
        at_once[0] += 1
        at_once[1] = max(at_once)
        time.sleep(0.01)
        at_once[0] -= 1
        return True

    monkeypatch.setattr(hashers, "check_password", slow)
    with ThreadPoolExecutor(4) as people:
        assert all(people.map(lambda number: is_right("passphrase", "hash"), range(8)))
    assert at_once == [0, 1]


def test_new_pass_phrases_are_hashed_in_one_lane_and_what_django_hashed_stays_valid() -> None:
    from django.contrib.auth.hashers import Argon2PasswordHasher

    from equipoise.conduct.keys.hasher import Argon2OneLane

    ours = Argon2OneLane()
    encoded = ours.encode("nine lamps under rain", "0123456789abcdef" * 2)
    assert encoded.startswith("argon2$argon2id$v=19$m=47104,t=1,p=1$")
    assert ours.verify("nine lamps under rain", encoded)
    assert not ours.verify("nine lamps under snow", encoded)
    assert not ours.must_update(encoded)
    before = Argon2PasswordHasher().encode("nine lamps under rain", "0123456789abcdef" * 2)
    assert ours.verify("nine lamps under rain", before)
    assert ours.must_update(before)
