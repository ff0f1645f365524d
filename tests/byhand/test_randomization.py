"""Randomization schemes against values worked out by hand: closed forms, enumeration, a simulation printed elsewhere.

Four-digit values are the exact ones of our design notes, rounded there: they are held to half of the last digit.
"""

from __future__ import annotations

from fractions import Fraction as F
from itertools import permutations, product
from math import comb, sqrt

import pytest

from equipoise.randomization.biased_coins import BigStick, ChenCoin, EfronCoin
from equipoise.randomization.complete import Complete
from equipoise.randomization.exact import best_guesser, work_through
from equipoise.randomization.expected import expect, overall_difference, simulate_minimization, stratum_sizes
from equipoise.randomization.fixed_total import RandomAllocationRule, TruncatedBinomial
from equipoise.randomization.minimization import Minimization
from equipoise.randomization.minimization_course import expect_minimization, follow
from equipoise.randomization.permuted_blocks import PermutedBlocks
from equipoise.randomization.scheme import Scheme
from equipoise.randomization.wei_urn import WeiUrn

FAIR = (1, 1)
LAST_DIGIT = 0.00005 + 1e-9  # half of the fourth decimal


def guess(scheme: Scheme, n: int) -> float:
    """Share of right guesses over n slots by naming the arm that lags."""
    return float(sum(work_through(scheme, n).lagging)) / n


# ---------------------------------------------------------------------- complete


@pytest.mark.parametrize(("n", "printed"), [(20, 3.524), (50, 5.614), (100, 7.959)])
def test_complete_randomization_drifts_like_a_random_walk(n, printed):
    course = work_through(Complete(FAIR), n, exact=True)
    assert course.mean_squared(n) == n
    assert course.mean_absolute(n) == F(n * comb(n, n // 2), 2**n)
    assert float(course.mean_absolute(n)) == pytest.approx(printed, abs=0.0005)
    assert sum(course.best) == F(n, 2)


# ---------------------------------------------------------------------- permuted blocks


@pytest.mark.parametrize(
    ("m", "right", "rate"),
    [
        (1, F(3, 2), 0.75),
        (2, F(17, 6), 0.7083),
        (3, F(41, 10), 0.6833),
        (4, F(373, 70), 0.6661),
        (5, F(823, 126), 0.6532),
    ],
)
def test_right_guesses_and_certain_slots_of_a_block_are_those_of_blackwell_and_hodges(m, right, rate):
    course = work_through(PermutedBlocks(FAIR, [2 * m]), 2 * m, exact=True)
    assert sum(course.lagging) == right == m + (F(4**m, comb(2 * m, m)) - 1) / 2
    assert float(right) / (2 * m) == pytest.approx(rate, abs=LAST_DIGIT)
    assert sum(course.certain) == F(2 * m, m + 1)
    assert course.mean_squared(2 * m) == 0
    assert max(abs(d) for table in course.difference for d in table) == m


@pytest.mark.parametrize(("size", "rate"), [(3, F(7, 9)), (6, F(67, 90))])
def test_blocks_of_two_to_one_are_guessed_as_enumeration_says(size, rate):
    arrangements = set(permutations([0] * (2 * size // 3) + [1] * (size // 3)))
    right = F(0)
    for arrangement in arrangements:
        for slot in range(size):
            same = [other[slot] for other in arrangements if other[:slot] == arrangement[:slot]]
            right += F(max(same.count(0), same.count(1)), len(same)) / len(arrangements)
    assert right / size == rate
    assert sum(work_through(PermutedBlocks((2, 1), [size]), size, exact=True).best) == right


@pytest.mark.parametrize(("ratio", "size"), [((1, 1), 4), ((1, 1), 6), ((2, 1), 6), ((1, 1, 1), 6), ((3, 2, 1), 6)])
def test_every_arrangement_of_a_block_is_equally_likely(ratio, size):
    scheme = PermutedBlocks(ratio, [size])
    chances = {}
    for sequence in product(range(len(ratio)), repeat=size):
        state, chance = scheme.openings(scheme.start())[0][1], F(1)
        for arm in sequence:
            weights = scheme.weights(state)
            chance *= F(weights[arm], sum(weights))
            if not chance:
                break
            state = scheme.after(state, arm)
        if chance:
            chances[sequence] = chance
    bag = [arm for arm, part in enumerate(scheme.ratio) for _ in range(part * size // sum(scheme.ratio))]
    assert set(chances) == set(permutations(bag))
    assert set(chances.values()) == {F(1, len(chances))}


def brute(sizes: list[int], n: int) -> tuple[F, F]:
    """Right guesses and certain slots by listing every run of blocks and arrangements that n slots can hold."""
    runs: dict[tuple[int, ...], F] = {}

    def grow(sequence: tuple[int, ...], chance: F) -> None:
        if len(sequence) >= n:
            runs[sequence[:n]] = runs.get(sequence[:n], F(0)) + chance
            return
        for size in sizes:
            blocks = set(permutations([0] * (size // 2) + [1] * (size // 2)))
            for block in blocks:
                grow(sequence + block, chance / len(sizes) / len(blocks))

    grow((), F(1))
    right = certain = F(0)
    for slot in range(n):
        heads: dict[tuple[int, ...], list[F]] = {}
        for sequence, chance in runs.items():
            heads.setdefault(sequence[:slot], [F(0), F(0)])[sequence[slot]] += chance
        right += sum(max(both) for both in heads.values())
        certain += sum(sum(both) for both in heads.values() if min(both) == 0)
    return right, certain


@pytest.mark.parametrize(("sizes", "n"), [([2, 4], 9), ([4, 6], 9), ([2, 4, 6], 8)])
def test_blocks_of_unknown_sizes_against_a_list_of_everything_that_can_happen(sizes, n):
    scheme = PermutedBlocks(FAIR, sizes)
    right, certain = brute(sizes, n)
    course = work_through(scheme, n, exact=True)
    assert sum(course.certain) == certain
    # Bayes over the unseen sizes guesses no better than naming the arm that lags.
    assert sum(best_guesser(scheme, n, exact=True)[0]) == sum(course.lagging) == right


@pytest.mark.parametrize(
    ("sizes", "rate", "certain"),
    [([4], 0.709, 0.33), ([4, 6], 0.691, 0.057), ([2, 4, 6], 0.700, 0.041), ([4, 6, 8], 0.678, 0.024)],
)
def test_mixed_sizes_remove_certainty_and_hardly_the_edge_of_a_guesser(sizes, rate, certain):
    # Printed from 4,000 simulated lists of 60: right guesses of a list have a standard deviation of about 0.055 of
    # them, certain slots of 0.03: five standard errors are 0.0045 and 0.0025, rounding adds half a digit.
    course = work_through(PermutedBlocks(FAIR, sizes), 60)
    assert sum(course.best) / 60 == pytest.approx(rate, abs=0.005)
    assert sum(course.certain) / 60 == pytest.approx(certain, abs=0.0025 if len(sizes) > 1 else 0.005)


def test_the_bayes_filter_with_rounded_beliefs_keeps_to_its_own_bound():
    scheme = PermutedBlocks((2, 1), [3, 6])
    exact = sum(best_guesser(scheme, 15, exact=True)[0])
    rounded, bound = best_guesser(scheme, 15, grid=0.02)
    assert abs(float(exact) - sum(rounded)) <= bound < 0.2


# ---------------------------------------------------------------------- strata


@pytest.mark.parametrize(("size", "variance"), [(2, F(1, 2)), (4, F(5, 6)), (6, F(7, 6)), (8, F(3, 2))])
def test_a_stratum_stopped_at_random_has_the_variance_of_hallstrom_and_davis(size, variance):
    course = work_through(PermutedBlocks(FAIR, [size]), size, exact=True)
    assert sum(course.mean_squared(k) for k in range(size)) / size == variance == F(size + 1, 6)


def test_overall_imbalance_adds_up_over_strata():
    found = expect(PermutedBlocks(FAIR, [4]), 120, 12)
    assert found.sd_difference == pytest.approx(sqrt(12 * 5 / 6), rel=1e-3)  # strata of 10 are not quite a random stop
    assert found.unfinished_blocks == pytest.approx(12 * 3 / 4, rel=1e-3)
    assert found.mean_difference <= 12 * 2


def test_the_overall_difference_of_two_strata_against_direct_enumeration():
    scheme, n = PermutedBlocks(FAIR, [4]), 5
    course = work_through(scheme, n)
    direct: dict[int, float] = {}
    for k in range(n + 1):
        weight = comb(n, k) / 2**n
        for (a, p), (b, q) in product(course.difference[k].items(), course.difference[n - k].items()):
            direct[a + b] = direct.get(a + b, 0.0) + weight * p * q
    found = overall_difference(course.difference, n, 2)
    middle = len(found) // 2
    for d in range(-middle, middle + 1):
        assert found[middle + d] == pytest.approx(direct.get(d, 0.0), abs=1e-12)
    assert stratum_sizes(n, 2) == pytest.approx([comb(n, k) / 2**n for k in range(n + 1)])


def test_complete_randomization_is_the_same_however_it_is_stratified():
    one, many = expect(Complete(FAIR), 60, 1), expect(Complete(FAIR), 60, 6)
    assert many.mean_difference == pytest.approx(one.mean_difference, rel=1e-9)
    assert many.sd_difference == pytest.approx(sqrt(60), rel=1e-9)
    assert many.guess_rate == pytest.approx(0.5)


# ---------------------------------------------------------------------- fixed totals


@pytest.mark.parametrize(("k", "rule", "truncated"), [(10, 0.6169, 0.5881), (25, 0.5791, 0.5561), (50, 0.5578, 0.5398)])
def test_schemes_of_a_fixed_total_are_guessed_as_their_formulas_say(k, rule, truncated):
    n = 2 * k
    right = sum(work_through(RandomAllocationRule(FAIR, n), n, exact=True).lagging)
    assert right == k + (F(4**k, comb(n, k)) - 1) / 2
    assert float(right) / n == pytest.approx(rule, abs=LAST_DIGIT)
    course = work_through(TruncatedBinomial(FAIR, n), n, exact=True)
    assert sum(course.lagging) == k + F(k * comb(n, k), 4**k)
    assert float(sum(course.lagging)) / n == pytest.approx(truncated, abs=LAST_DIGIT)
    assert course.mean_squared(n) == 0


def test_a_fixed_total_ends_there():
    assert work_through(RandomAllocationRule(FAIR, 6), 20).n == 6


# ---------------------------------------------------------------------- coins


@pytest.mark.parametrize(
    ("p", "at_50", "squared", "balanced"),
    [(F(2, 3), 0.6217, 4.443, 0.5), (F(3, 4), 0.6642, 1.875, 0.6667), (F(17, 20), 0.7044, 0.775, 0.8235)],
)
def test_efrons_coin(p, at_50, squared, balanced):
    r = p / (1 - p)
    scheme = EfronCoin(FAIR, p)
    assert guess(scheme, 50) == pytest.approx(at_50, abs=LAST_DIGIT)
    course = work_through(scheme, 200)
    assert course.lagging[-1] + course.lagging[-2] == pytest.approx(2 * (0.5 + float((r - 1) / (4 * r))), abs=1e-4)
    assert course.mean_squared(100) == pytest.approx(squared, abs=0.0006)
    assert course.difference[200][0] == pytest.approx(float((r - 1) / r), abs=1e-4)
    assert float((r - 1) / r) == pytest.approx(balanced, abs=LAST_DIGIT)


@pytest.mark.parametrize(("b", "at_50"), [(2, 0.62), (3, 0.5789), (4, 0.555)])
def test_the_big_stick(b, at_50):
    scheme = BigStick(FAIR, b)
    assert guess(scheme, 50) == pytest.approx(at_50, abs=LAST_DIGIT)
    course = work_through(scheme, 200)
    assert course.lagging[-1] + course.lagging[-2] == pytest.approx(1 + 1 / (2 * b), abs=1e-4)
    assert max(abs(d) for table in course.difference for d in table) == b
    # Certain exactly at the limit, fair everywhere else.
    assert [scheme.weights(d) for d in range(-b, b + 1)] == [(1, 0), *[(1, 1)] * (2 * b - 1), (0, 1)]


def test_chens_coin_is_efrons_inside_and_the_big_stick_at_the_edge():
    scheme = ChenCoin(FAIR, 3, F(2, 3))
    assert guess(scheme, 100) == pytest.approx(0.6413, abs=LAST_DIGIT)
    assert [scheme.weights(d) for d in (-2, -1, 0, 1, 2)] == [
        EfronCoin(FAIR, F(2, 3)).weights(d) for d in (-2, -1, 0, 1, 2)
    ]
    assert (scheme.weights(-3), scheme.weights(3)) == ((1, 0), (0, 1))
    half = ChenCoin(FAIR, 3, F(1, 2))
    assert all(half.weights(d) == BigStick(FAIR, 3).weights(d) for d in range(-3, 4))


# ---------------------------------------------------------------------- urn


@pytest.mark.parametrize(("n", "rate"), [(20, 0.5898), (50, 0.5599), (100, 0.5434)])
def test_weis_urn_without_balls_at_first(n, rate):
    assert guess(WeiUrn(FAIR, 0, 1), n) == pytest.approx(rate, abs=LAST_DIGIT)


def test_the_urns_squared_difference_is_a_third_of_the_number_from_three_on():
    course = work_through(WeiUrn(FAIR, 0, 1), 30, exact=True)
    assert all(course.mean_squared(n) == F(n, 3) for n in range(3, 31))


@pytest.mark.parametrize(("n", "rate", "squared"), [(20, 0.5698, F(22, 3)), (100, 0.5389, F(34))])
def test_weis_urn_with_a_ball_of_each(n, rate, squared):
    assert guess(WeiUrn(FAIR, 1, 1), n) == pytest.approx(rate, abs=LAST_DIGIT)
    assert work_through(WeiUrn(FAIR, 1, 1), n, exact=n == 20).mean_squared(n) == pytest.approx(float(squared), rel=1e-9)


def test_the_urns_chance_of_an_arm_goes_by_the_difference():
    alpha, beta = 2, 3
    scheme = WeiUrn(FAIR, alpha, beta)
    for a, b in product(range(5), range(5)):
        weights, n, d = scheme.weights((a, b)), a + b, a - b
        assert F(weights[0], sum(weights)) == F(1, 2) - F(beta * d, 2 * (2 * alpha + beta * n))


# ---------------------------------------------------------------------- minimization


@pytest.mark.parametrize(
    ("p", "rate", "difference"),
    [(F(2, 3), 0.637, 2.25), (F(4, 5), 0.737, 1.09), (F(9, 10), 0.811, 0.70), (F(1), 0.883, 0.40)],
)
def test_minimization_over_three_factors_is_the_most_predictable_scheme(p, rate, difference):
    # Printed from 3,000 simulated trials of 100; ours are others, so five standard errors of both: a trial's share of
    # right guesses has a standard deviation below 0.05, its difference one of about its mean.
    scheme = Minimization(FAIR, {"a": 1, "b": 1, "c": 1}, p)
    found = simulate_minimization(scheme, 100, [2, 2, 3], n_replicates=1500)
    assert found.guess_rate == pytest.approx(rate, abs=5 * 0.05 * sqrt(1 / 3000 + 1 / 1500))
    assert found.mean_difference == pytest.approx(difference, abs=5 * difference * sqrt(1 / 3000 + 1 / 1500) + 0.005)
    assert found.is_simulated


@pytest.mark.parametrize("p", [F(2, 3), F(4, 5), F(1)])
def test_minimization_without_factors_has_the_weights_of_efrons_coin(p):
    scheme, efron = Minimization(FAIR, {}, p), EfronCoin(FAIR, p)
    for a, b in product(range(6), range(6)):
        assert scheme.weights_of_margins({"": (a, b)}) == efron.weights(a - b)
    assert simulate_minimization(scheme, 100, [], n_replicates=2000).guess_rate == pytest.approx(
        guess(efron, 100), abs=5 * 0.05 * sqrt(1 / 2000)
    )


def test_a_hand_worked_minimization():
    # Pocock and Simon's idea on two factors: men 3 v 2, site north 4 v 1. One more in arm 0: ranges 2 and 4, sum 6; in
    # arm 1: 0 and 2, sum 2. Arm 1 is preferred. With site counted double: 10 against 4. Equal margins: a fair tie.
    scheme = Minimization(FAIR, {"sex": 1, "site": 1}, F(4, 5))
    assert scheme.weights_of_margins({"sex": (3, 2), "site": (4, 1)}) == (1, 4)
    # Sex pulls one way by 2, site the other way by 2: a tie; with site counted double it wins.
    assert scheme.weights_of_margins({"sex": (3, 2), "site": (1, 2)}) == (1, 1)
    assert Minimization(FAIR, {"sex": 1, "site": 2}, F(4, 5)).weights_of_margins({"sex": (3, 2), "site": (1, 2)}) == (
        4,
        1,
    )
    # Variance tells 3 v 2 against 0 v 5 apart where the range adds up the same: it squares.
    assert Minimization(FAIR, {"sex": 1, "site": 1}, F(1), "variance").weights_of_margins(
        {"sex": (2, 0), "site": (0, 1)}
    ) == (0, 1)


def test_with_three_arms_those_that_tie_share_their_places():
    # p = 3/5, the other two 1/5 each. Arms 1 and 2 tie: they share 3/5 + 1/5, so 2/5 each, and arm 0 has 1/5.
    scheme = Minimization((1, 1, 1), {"a": 1}, F(3, 5))
    assert scheme.weights_of_margins({"a": (1, 0, 0)}) == (1, 2, 2)
    assert scheme.weights_of_margins({"a": (1, 1, 0)}) == (1, 1, 3)
    assert scheme.weights_of_margins({"a": (2, 2, 2)}) == (1, 1, 1)


@pytest.mark.parametrize("p", [F(2, 3), F(1)])
def test_minimization_followed_on_its_grid_is_efrons_coin_without_factors(p):
    found, course = follow(Minimization(FAIR, {}, p), 40, [], 40), work_through(EfronCoin(FAIR, p), 40)
    assert found.right == pytest.approx(course.lagging, abs=1e-12)
    assert found.certain == pytest.approx(course.certain, abs=1e-12)
    assert {d: x for d, x in found.difference.items() if x} == pytest.approx(course.difference[40], abs=1e-12)
    assert found.lost == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("measure", ["range", "variance"])
@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 1, "b": 2}])
def test_minimization_followed_on_its_grid_against_all_that_can_happen(measure, weights):
    scheme, n, levels = Minimization(FAIR, weights, F(4, 5), measure), 4, [3, 2]
    profiles = [{"a": str(a), "b": str(b)} for a, b in product(range(3), range(2))]
    runs: list[tuple[tuple, F]] = [((), F(1))]
    right = []
    for _ in range(n):
        after, hit = [], F(0)
        for history, chance in runs:
            for person in profiles:
                here = chance / len(profiles)
                found = scheme.weights_for(history, person)
                hit += here * F(max(found), sum(found))
                after += [((*history, (person, arm)), here * F(w, sum(found))) for arm, w in enumerate(found)]
        runs = after
        right.append(float(hit))
    grid = follow(scheme, n, levels, n)
    assert grid.right == pytest.approx(right, abs=1e-12)
    balance: dict[int, float] = {}
    for history, chance in runs:
        d = sum(1 - 2 * arm for _, arm in history)
        balance[d] = balance.get(d, 0.0) + float(chance)
    assert {d: x for d, x in grid.difference.items() if x} == pytest.approx(balance, abs=1e-12)


def test_where_the_grid_would_be_too_large_minimization_is_simulated_and_both_agree():
    scheme = Minimization(FAIR, {"a": 1, "b": 1}, F(4, 5))
    exact, simulated = expect_minimization(scheme, 40, [2, 2]), expect_minimization(scheme, 40, [2, 2], work=10)
    assert (exact.is_simulated, simulated.is_simulated) == (False, True)
    assert exact.guess_error < 1e-4
    assert simulated.guess_rate == pytest.approx(exact.guess_rate, abs=5 * simulated.guess_error)
    assert simulated.sd_difference == pytest.approx(exact.sd_difference, rel=5 / sqrt(2 * 4000))
