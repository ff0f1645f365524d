"""What must hold of every scheme, on generated ratios, sizes and streams."""

from __future__ import annotations

from fractions import Fraction as F
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.foundation.seeds import uniforms
from equipoise.randomization.biased_coins import BigStick, ChenCoin, EfronCoin
from equipoise.randomization.complete import Complete
from equipoise.randomization.exact import work_through
from equipoise.randomization.fixed_total import RandomAllocationRule, TruncatedBinomial
from equipoise.randomization.generator import Stream, list_key
from equipoise.randomization.minimization import Minimization
from equipoise.randomization.permuted_blocks import PermutedBlocks
from equipoise.randomization.scheme import Scheme
from equipoise.randomization.vectorised import allocate_many, minimize_many
from equipoise.randomization.wei_urn import WeiUrn

KEY = list_key(bytes(range(32)), "production", "properties")
FAIR, THREE, UNEQUAL = (1, 1), (1, 1, 1), (2, 1)
SCHEMES: list[Scheme] = [
    PermutedBlocks(FAIR, [4]),
    PermutedBlocks(FAIR, [2, 4, 6]),
    PermutedBlocks(UNEQUAL, [3, 6]),
    PermutedBlocks((3, 2, 1), [6, 12]),
    PermutedBlocks(THREE, [6]),
    Complete(FAIR),
    Complete((3, 1, 2)),
    RandomAllocationRule(FAIR, 40),
    RandomAllocationRule(UNEQUAL, 42),
    TruncatedBinomial(FAIR, 40),
    EfronCoin(FAIR, F(2, 3)),
    BigStick(FAIR, 2),
    BigStick(FAIR, 3),
    ChenCoin(FAIR, 3, F(3, 4)),
    WeiUrn(FAIR, 0, 1),
    WeiUrn(FAIR, 1, 1),
    WeiUrn(THREE, 2, 3),
]
streams = st.text(st.sampled_from("abcdefghij"), min_size=1, max_size=6).map(lambda name: f"trial:x={name}")


def named(scheme: Scheme) -> str:
    return f"{scheme.name} {scheme.ratio} {scheme.parameters()}"


@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
def test_every_position_has_the_target_ratio_unconditionally(scheme):
    course = work_through(scheme, 13, exact=True)
    target = tuple(F(part, sum(scheme.ratio)) for part in scheme.ratio)
    assert course.arms == [target] * 13


@pytest.mark.parametrize("measure", ["range", "variance"])
@pytest.mark.parametrize("ratio", [FAIR, THREE])
def test_minimization_gives_every_position_the_target_ratio_for_any_run_of_participants(ratio, measure):
    scheme = Minimization(ratio, {"site": 2, "route": 1}, F(4, 5), measure)
    people = [{"site": s, "route": r} for s, r in ("no", "so", "no", "nn", "sn")]
    chances = {(): F(1)}
    for person in people:
        after, of_arm = {}, [F(0)] * len(ratio)
        for past, chance in chances.items():
            history = list(zip(people, past))
            weights = scheme.weights_for(history, person)
            for arm, weight in enumerate(weights):
                here = chance * F(weight, sum(weights))
                of_arm[arm] += here
                after[(*past, arm)] = here
        assert of_arm == [F(1, len(ratio))] * len(ratio)
        chances = after


def test_efrons_coin_on_two_to_one_would_break_the_ratio_which_is_why_it_is_refused():
    # "Lean to the arm that lags behind its share", p = 2/3, ratio 2:1, fair by the ratio at balance: the second
    # position already has another chance than 2/3 of the first arm.
    p, target = F(2, 3), F(2, 3)
    first = {1: target, 0: 1 - target}  # how many of the first arm after one allocation
    second = first[1] * (1 - p) + first[0] * p  # after an A the share of A is above 2/3, after a B below
    assert second != target


@given(stream=streams, n=st.integers(0, 60), more=st.integers(0, 20), which=st.sampled_from(range(len(SCHEMES))))
@settings(max_examples=60, deadline=None)
def test_a_longer_list_begins_with_the_shorter_one(stream, n, more, which):
    scheme = SCHEMES[which]
    total = getattr(scheme, "total", 80)
    long = scheme.arms(Stream(KEY, stream), min(n + more, total))
    assert scheme.arms(Stream(KEY, stream), min(n, total)) == long[: min(n, total)]


@given(
    ratio=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    multiples=st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True),
    stream=streams,
)
@settings(max_examples=60, deadline=None)
def test_the_ratio_is_met_exactly_at_every_block_end(ratio, multiples, stream):
    scheme = PermutedBlocks(ratio, [m * sum(PermutedBlocks(ratio, [sum(ratio)]).ratio) for m in multiples])
    state, counts, ends = scheme.start(), [0] * len(ratio), 0
    draw = Stream(KEY, stream)
    for slot, arm in enumerate(scheme.arms(draw, 120), 1):
        if not any(state):
            openings = scheme.openings(state)
            state = openings[draw(slot, "block-size", len(openings)) if len(openings) > 1 else 0][1]
        state = scheme.after(state, arm)
        assert min(state) >= 0
        counts[arm] += 1
        if not any(state):
            ends += 1
            assert len({F(count, part) for count, part in zip(counts, scheme.ratio)}) == 1
    assert ends >= 2


@given(limit=st.integers(1, 5), stream=streams)
@settings(max_examples=40, deadline=None)
def test_the_big_stick_never_lets_the_difference_pass_its_limit(limit, stream):
    d = 0
    for arm in BigStick(FAIR, limit).arms(Stream(KEY, stream), 150):
        d += 1 - 2 * arm
        assert abs(d) <= limit


@pytest.mark.parametrize("p", [F(1, 2), F(2, 3), F(4, 5), F(1)])
@given(stream=streams)
@settings(max_examples=15, deadline=None)
def test_minimization_of_one_margin_is_efrons_coin_draw_for_draw_and_a_fair_coin_at_one_half(p, stream):
    draw, person, n = Stream(KEY, stream), {"only": "level"}, 40
    history: list[tuple[dict[str, str], int]] = []
    for _ in range(n):
        history.append((person, Minimization(FAIR, {"only": 3}, p).next_arm(draw, history, person)))
    arms = [arm for _, arm in history]
    assert arms == EfronCoin(FAIR, p).arms(draw, n)
    if p == F(1, 2):
        assert arms == Complete(FAIR).arms(draw, n)


@given(
    levels=st.lists(st.tuples(st.sampled_from("ns"), st.sampled_from("onx")), min_size=1, max_size=25), stream=streams
)
@settings(max_examples=30, deadline=None)
def test_minimization_does_not_care_what_the_levels_are_called(levels, stream):
    def run(rename: dict[str, str]) -> list[int]:
        history: list[tuple[dict[str, str], int]] = []
        for site, route in levels:
            person = {"site": rename.get(site, site), "route": rename.get(route, route)}
            history.append((person, scheme.next_arm(Stream(KEY, stream), history, person)))
        return [arm for _, arm in history]

    scheme = Minimization(FAIR, {"site": 1, "route": 1}, F(4, 5))
    assert run({}) == run({"n": "north", "s": "south", "o": "n"})


@pytest.mark.parametrize("scheme", [s for s in SCHEMES if len(set(s.ratio)) == 1], ids=named)
def test_with_equal_shares_the_arms_can_be_exchanged(scheme):
    for state in reachable(scheme, 6):
        weights = scheme.weights(state)
        mirrored = -state if isinstance(state, int) else state[::-1]
        assert scheme.weights(mirrored) == weights[::-1]


def reachable(scheme: Scheme, n: int) -> set[object]:
    states, found = {scheme.start()}, set()
    for _ in range(n):
        opened = {then for state in states for _, then in scheme.openings(state)}
        found |= opened
        states = {scheme.after(s, arm) for s in opened for arm, w in enumerate(scheme.weights(s)) if w}
    return found


# ---------------------------------------------------------------------- two routes


@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
def test_many_streams_at_once_agree_with_the_scheme_draw_for_draw(scheme):
    n_replicates, n, n_strata = 25, 36, 3
    rows, people = np.arange(n_replicates)[:, None], np.arange(n)[None, :]
    u, v = uniforms(7, rows, people, 0, 1), uniforms(7, rows, people, 0, 2)
    strata = np.floor(n_strata * uniforms(7, rows, people, 0, 3)).astype(np.int64)
    fast = allocate_many(scheme, u, v, strata)
    for r, stratum in product(range(n_replicates), range(n_strata)):
        mine = np.flatnonzero(strata[r] == stratum)

        def draw(slot: int, purpose: str, bound: int, r: int = r, mine: np.ndarray = mine) -> int:
            return int(np.floor((v if purpose == "block-size" else u)[r, mine[slot - 1]] * bound))

        assert fast[r, mine].tolist() == scheme.arms(draw, len(mine))


@pytest.mark.parametrize("ratio", [FAIR, THREE])
@pytest.mark.parametrize("measure", ["range", "variance"])
def test_many_minimizations_at_once_agree_with_the_scheme_draw_for_draw(ratio, measure):
    n_replicates, n = 12, 30
    rows, people = np.arange(n_replicates)[:, None], np.arange(n)[None, :]
    u = uniforms(8, rows, people, 0, 1)
    levels = np.stack([np.floor(m * uniforms(8, rows, people, 0, 2, m)).astype(np.int64) for m in (2, 3)], axis=2)
    scheme = Minimization(ratio, {"a": 2, "b": 1}, F(4, 5), measure)
    fast, ties = minimize_many(scheme, u, levels)
    for r in range(n_replicates):
        history: list[tuple[dict[str, str], int]] = []
        for i in range(n):
            person = {"a": str(levels[r, i, 0]), "b": str(levels[r, i, 1])}
            weights = scheme.weights_for(history, person)
            assert ties[r, i] == weights.count(max(weights))
            arm = scheme.next_arm(lambda slot, purpose, bound, r=r: int(u[r, slot - 1] * bound), history, person)
            history.append((person, arm))
        assert fast[r].tolist() == [arm for _, arm in history]
