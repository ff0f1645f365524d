"""Allocation, scores and doses against second, tiny, differently written implementations, on generated inputs.

Allocation: the randomizer of ``tests/reference/randomization``, written from its specification alone, and here the
schemes that it leaves out. Scores: keys copied from the published scoring pages, sums of fractions. Doses: whole
numbers of micrograms.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.conduct.rules import dose, forms
from equipoise.instruments import require_instrument, score
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.randomization.generator import Stream, list_key
from equipoise.randomization.registry import make_scheme
from equipoise.workflow.library import definitions_of, protocol_path, read_protocol

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference" / "randomization"))

import second_randomizer as second

QUICK = settings(max_examples=40, deadline=None)
seeds = st.binary(min_size=32, max_size=32)
names = st.text("abcdefghijklmnop-", min_size=1, max_size=12)
chances = st.sampled_from([(1, 2), (2, 3), (3, 4), (4, 5), (7, 10), (1, 1)])


# ---------------------------------------------------------------------- allocation


def second_counts(key: bytes, stream: str, arms: list[str], left: list[int]) -> list[str]:
    """The random allocation rule: every name written on a card, one card drawn after another."""
    cards = [arm for arm, count in zip(arms, left) for _ in range(count)]
    return [cards.pop(second.below(key, stream, n, "arm", len(cards))) for n in range(1, len(cards) + 1)]


def second_truncated(key: bytes, stream: str, arms: list[str], total: int) -> list[str]:
    out: list[str] = []
    for slot in range(1, total + 1):
        open_arms = [arm for arm in arms if out.count(arm) < total // 2]
        out.append(open_arms[second.below(key, stream, slot, "arm", len(open_arms))])
    return out


def second_urn(key: bytes, stream: str, arms: list[str], alpha: int, beta: int, n: int) -> list[str]:
    """Balls counted out: alpha of each arm, and for everybody before beta of every other arm."""
    out: list[str] = []
    for slot in range(1, n + 1):
        balls = [alpha + beta * sum(arm != other for other in out) for arm in arms]
        if not any(balls):
            balls = [1] * len(arms)
        divisor = next(d for d in range(max(balls), 0, -1) if all(ball % d == 0 for ball in balls))
        bag = [arm for arm, ball in zip(arms, balls) for _ in range(ball // divisor)]
        out.append(bag[second.below(key, stream, slot, "arm", len(bag))])
    return out


def ours(scheme: str, ratio: list[int], parameters: dict[str, object], seed: bytes, trial: str, stream: str, n: int):
    made, problems = make_scheme(scheme, ratio, parameters, (), "test")
    assert problems == []
    assert made is not None
    arms = ["a", "b", "c"][: len(ratio)]
    return [arms[k] for k in made.arms(Stream(list_key(seed, "production", trial), stream), n)]


@QUICK
@given(
    seeds,
    names,
    names,
    st.sampled_from([[1, 1], [2, 1], [1, 1, 1], [3, 2]]),
    st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True),
)
def test_permuted_blocks_agree(seed: bytes, trial: str, stream: str, ratio: list[int], multiples: list[int]) -> None:
    sizes = sorted(m * sum(ratio) for m in multiples)
    key = second.key_of(seed.hex(), "production", trial, "")
    expected = second.blocks(key, stream, ["a", "b", "c"][: len(ratio)], ratio, sizes, 30)
    assert ours("permuted-blocks", ratio, {"block-sizes": sizes}, seed, trial, stream, 30) == expected


@QUICK
@given(seeds, names, names, chances, st.integers(1, 4))
def test_coins_agree(seed: bytes, trial: str, stream: str, p: tuple[int, int], limit: int) -> None:
    key, arms, chance = second.key_of(seed.hex(), "production", trial, ""), ["a", "b"], f"{p[0]}/{p[1]}"
    at = (seed, trial, stream, 30)
    assert ours("efron", [1, 1], {"probability": chance}, *at) == second.coin(key, stream, arms, *p, None, 30)
    assert ours("chen", [1, 1], {"probability": chance, "limit": limit}, *at) == second.coin(
        key, stream, arms, *p, limit, 30
    )
    assert ours("big-stick", [1, 1], {"limit": limit}, *at) == second.coin(key, stream, arms, 1, 2, limit, 30)


@QUICK
@given(seeds, names, names, st.integers(0, 3), st.integers(0, 3), st.integers(1, 8))
def test_urns_fixed_totals_and_complete_lists_agree(
    seed: bytes, trial: str, stream: str, alpha: int, beta: int, half: int
) -> None:
    key, arms = second.key_of(seed.hex(), "production", trial, ""), ["a", "b"]
    if alpha + beta:
        parameters: dict[str, object] = {"alpha": alpha, "beta": beta}
        found = ours("wei-urn", [1, 1], parameters, seed, trial, stream, 20)
        assert found == second_urn(key, stream, arms, alpha, beta, 20)
    total = 3 * half
    found = ours("random-allocation-rule", [2, 1], {"total": total}, seed, trial, stream, total)
    assert found == second_counts(key, stream, arms, [2 * half, half])
    found = ours("truncated-binomial", [1, 1], {"total": 2 * half}, seed, trial, stream, 2 * half)
    assert found == second_truncated(key, stream, arms, 2 * half)
    found = ours("complete", [2, 1], {}, seed, trial, stream, 20)
    assert found == ["aab"[second.below(key, stream, slot, "arm", 3)] for slot in range(1, 21)]


people = st.lists(
    st.fixed_dictionaries({"site": st.sampled_from(["north", "south", "west"]), "route": st.sampled_from(["o", "n"])}),
    min_size=1,
    max_size=25,
)


@QUICK
@given(seeds, names, chances, st.integers(1, 3), st.integers(1, 3), people)
def test_minimization_agrees(
    seed: bytes, trial: str, p: tuple[int, int], site: int, route: int, profiles: list[dict[str, str]]
) -> None:
    weights = {"site": site, "route": route}
    made, problems = make_scheme(
        "minimization",
        [1, 1],
        {"probability": f"{p[0]}/{p[1]}", "measure": "range", "weights": weights},
        ("site", "route"),
        "test",
    )
    assert problems == []
    draw = Stream(list_key(seed, "production", trial), "trial:all")
    history: list[tuple[dict[str, str], int]] = []
    for profile in profiles:
        history.append((profile, made.next_arm(draw, history, profile)))  # type: ignore[union-attr]
    key = second.key_of(seed.hex(), "production", trial, "")
    expected = second.minimized(key, "trial:all", ["a", "b"], *p, weights, profiles)
    assert ["ab"[arm] for _, arm in history] == expected


# ---------------------------------------------------------------------- scores

# As printed on the scoring pages, an R after an item that is turned.
FFMQ = {
    "observe": "1 6 11 15 20 26 31 36",
    "describe": "2 7 12R 16R 22R 27 32 37",
    "act-with-awareness": "5R 8R 13R 18R 23R 28R 34R 38R",
    "nonjudge": "3R 10R 14R 17R 25R 30R 35R 39R",
    "nonreact": "4 9 19 21 24 29 33",
}
STRESS = {10: "1 2 3 4R 5R 6 7R 8R 9 10", 14: "1 2 3 4R 5R 6R 7R 8 9R 10R 11 12 13R 14"}


def second_score(key: str, ticks: list[int | None], both_ends: int) -> Fraction | None:
    """The sum after turning; from three quarters of the items on their mean stands for those left out."""
    parts = key.split()
    told = [(ticks[int(part.rstrip("R")) - 1], part.endswith("R")) for part in parts]
    known = [both_ends - tick if turned else tick for tick, turned in told if tick is not None]
    return Fraction(sum(known) * len(parts), len(known)) if 4 * len(known) >= 3 * len(parts) else None


def near(found: object, expected: Fraction | None) -> bool:
    """Equal but for the rounding of a division by at most eight."""
    if expected is None or found is None:
        return found is expected
    return abs(Fraction(float(str(found))) - expected) < Fraction(1, 10**9)


@pytest.fixture(scope="module")
def flagship() -> Protocol:
    return read_protocol("ketamine-mbrp-cocaine")


@QUICK
@given(st.lists(st.none() | st.integers(1, 5), min_size=39, max_size=39))
def test_facets_of_mindfulness_agree_by_the_form_and_by_the_table(flagship: Protocol, ticks: list[int | None]) -> None:
    answers = {str(k): None if tick is None else str(tick) for k, tick in enumerate(ticks, 1)}
    filled = forms.fill(forms.form_of(flagship, "mindfulness"), answers, confirmed=list(answers))
    single = score(dict(_by_item(ticks)), require_instrument("ffmq-39"))
    facets = {facet: second_score(key, ticks, 6) for facet, key in FFMQ.items()}
    for facet, expected in facets.items():
        assert near(filled.scores[facet], expected)
        assert near(single[facet].value, expected)
    whole = [value for value in facets.values() if value is not None]
    if len(whole) == len(facets):
        assert near(single["total"].value, sum(whole, Fraction(0)))


def _by_item(ticks: list[int | None]) -> list[tuple[str, int | None]]:
    return [(str(k), tick) for k, tick in enumerate(ticks, 1)]


@QUICK
@given(st.sampled_from([10, 14]), st.data())
def test_stress_scores_agree(n: int, data: st.DataObject) -> None:
    ticks = data.draw(st.lists(st.none() | st.integers(0, 4), min_size=n, max_size=n))
    found = score(dict(_by_item(ticks)), require_instrument(f"pss-{n}"))
    assert near(found["total"].value, second_score(STRESS[n], ticks, 4))


# ---------------------------------------------------------------------- doses with a cap


@pytest.fixture(scope="module")
def capped() -> Protocol:
    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    text = text.replace("    drug: ketamine\n", "    drug: ketamine\n    maximum: 43.25 mg\n")
    protocol = read_protocol_text(text)
    return protocol.with_definitions(definitions_of(protocol))


@QUICK
@given(st.integers(400, 1500))
def test_capped_doses_agree_and_rounding_never_passes_the_cap(capped: Protocol, kg: int) -> None:
    # kg in tenths, 0.5 mg/kg: 50 micrograms a tenth; the cap is 43,250, the step 100, half a step up, never above it
    steps, rest = divmod(min(50 * kg, 43_250), 100)
    expected = min((steps + (rest >= 50)) * 100, 43_200)
    assert dose.sealed_sheet(capped, "ketamine", 2, Decimal(kg) / 10).prepared_mg * 1000 == expected
