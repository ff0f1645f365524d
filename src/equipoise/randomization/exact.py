"""How much of a stream can be guessed and how far its arms drift apart: worked out exactly from the scheme's chain.

Two guessers see every past allocation of the stream. The first names the arm that lags behind its share ("convergence
strategy"; where several lag alike, one of them at random). The second is the best there can be: it knows the scheme
with all its parameters, but not what is drawn unseen (the size of the present block), and weighs the possibilities by
Bayes' rule.

Sources: Blackwell, Hodges 1957, "Design for the control of selection bias", Annals of Mathematical Statistics
28:449-460 (the first guesser, and its excess over chance as a measure of selection bias).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from equipoise.randomization.scheme import Exhausted, Scheme, State

MOST_NODES = 200_000
# A state less likely than this is left out, unless Fractions were asked for; what is lost cannot show in a double.
_NEGLIGIBLE = 1e-19
_GRID = 0.003
Number = Any  # float, or Fraction where asked for
K = TypeVar("K", bound=Hashable)


class TooManyStates(Exception):
    """The chain has more states than can be worked through."""


@dataclass(frozen=True, slots=True)
class StreamChances:
    """One stream, slot by slot; slots count from 1, so entry 0 of a list is slot 1.

    ``lagging`` chance that the guesser of the lagging arm is right; ``best`` that the best guesser is; ``certain``
    chance that the best guesser cannot be wrong; ``arms`` chance of each arm. ``unfinished``, ``difference`` and
    ``squared`` describe the stream after 0, 1, ..., n slots: chance that a block is open, and by value of D the chance
    of it. D is the number in the first arm times the last arm's part of the ratio, less the reverse: with 1:1 the
    difference in numbers. ``bound`` is how far the sum of ``best`` may be off: zero unless beliefs had to be rounded
    (blocks of several sizes with an unequal ratio).
    """

    lagging: list[Number]
    best: list[Number]
    certain: list[Number]
    arms: list[tuple[Number, ...]]
    unfinished: list[Number]
    difference: list[dict[int, Number]]
    bound: float

    @property
    def n(self) -> int:
        """Slots worked through; fewer than asked for where the scheme has a fixed total."""
        return len(self.lagging)

    def mean_absolute(self, k: int) -> Number:
        """Mean absolute difference after ``k`` slots."""
        return sum(abs(d) * p for d, p in self.difference[k].items())

    def mean_squared(self, k: int) -> Number:
        """Mean squared difference after ``k`` slots."""
        return sum(d * d * p for d, p in self.difference[k].items())


def work_through(scheme: Scheme, n: int, *, exact: bool = False) -> StreamChances:
    """The first ``n`` slots of a stream. With ``exact`` every chance is a ``Fraction``.

    With an equal ratio the arm that lags is never the less likely one, whatever was drawn unseen, in any of our
    schemes: the two guessers are one (a test works the second out by itself). With an unequal ratio and block sizes
    drawn at random the best guesser's belief is a continuum: without ``exact`` it is rounded, and ``bound`` says what
    that can cost. Raises :class:`TooManyStates` where a chain outgrows :data:`MOST_NODES`.
    """
    one: Number = Fraction(1) if exact else 1.0
    lagging, arms, unfinished, difference = _first_guesser(scheme, n, one)
    best, bound = list(lagging), 0.0
    if len(set(scheme.ratio)) > 1:
        best, bound = best_guesser(scheme, len(lagging), exact=exact)
    return StreamChances(lagging, best, _certain(scheme, len(lagging), one), arms, unfinished, difference, bound)


def _share(weight: int, total: int, one: Number) -> Number:
    return Fraction(weight, total) if isinstance(one, Fraction) else weight / total


def _add(table: dict[K, Number], key: K, chance: Number) -> None:
    table[key] = table.get(key, 0) + chance


def _worth_following(nodes: dict[Any, Number], one: Number) -> dict[Any, Number]:
    if isinstance(one, Fraction):
        return nodes
    return {node: chance for node, chance in nodes.items() if chance > _NEGLIGIBLE}


def _opened(scheme: Scheme, nodes: dict[Any, Number], one: Number) -> dict[Any, Number]:
    """Nodes ``(state, lead)`` after what is drawn unseen before the next arm."""
    out: dict[Any, Number] = {}
    for (state, lead), chance in nodes.items():
        openings = scheme.openings(state)
        total = sum(weight for weight, _ in openings)
        for weight, then in openings:
            _add(out, (then, lead), chance * _share(weight, total, one))
    return out


def _first_guesser(
    scheme: Scheme, n: int, one: Number
) -> tuple[list[Number], list[tuple[Number, ...]], list[Number], list[dict[int, Number]]]:
    """A plain chain over states and lead: how many of each arm there are beyond whole multiples of the ratio."""
    ratio, k = scheme.ratio, scheme.n_arms
    nodes: dict[Any, Number] = {(scheme.start(), (0,) * k): one}
    lagging: list[Number] = []
    arms: list[tuple[Number, ...]] = []
    unfinished: list[Number] = [0 * one]
    difference: list[dict[int, Number]] = [{0: one}]
    for _ in range(n):
        after: dict[Any, Number] = {}
        right: Number = 0 * one
        chances = [0 * one] * k
        try:
            for (state, lead), chance in _opened(scheme, nodes, one).items():
                weights = scheme.weights(state)
                total = sum(weights)
                behind = _furthest_behind(lead, ratio)
                right += chance * _share(sum(weights[arm] for arm in behind), total * len(behind), one)
                for arm, weight in enumerate(weights):
                    if weight:
                        here = chance * _share(weight, total, one)
                        chances[arm] += here
                        _add(after, (scheme.after(state, arm), _lead(lead, arm, ratio)), here)
        except Exhausted:
            break
        if len(after) > MOST_NODES:
            raise TooManyStates
        nodes = _worth_following(after, one)
        lagging.append(right)
        arms.append(tuple(chances))
        spread: dict[int, Number] = {}
        is_open: Number = 0 * one
        for (state, lead), chance in nodes.items():
            _add(spread, lead[0] * ratio[-1] - lead[-1] * ratio[0], chance)
            if _is_open(scheme, state):
                is_open += chance
        difference.append(spread)
        unfinished.append(is_open)
    return lagging, arms, unfinished, difference


def _is_open(scheme: Scheme, state: State) -> bool:
    return scheme.name == "permuted-blocks" and isinstance(state, tuple) and any(state)


def _furthest_behind(lead: tuple[int, ...], ratio: tuple[int, ...]) -> list[int]:
    """Arms with the least number for their part of the ratio."""
    # n_i / r_i compared without division: n_i r_j against n_j r_i.
    behind = [0]
    for arm in range(1, len(lead)):
        here, least = lead[arm] * ratio[behind[0]], lead[behind[0]] * ratio[arm]
        if here < least:
            behind = [arm]
        elif here == least:
            behind.append(arm)
    return behind


def _lead(lead: tuple[int, ...], arm: int, ratio: tuple[int, ...]) -> tuple[int, ...]:
    then = [count + (number == arm) for number, count in enumerate(lead)]
    whole = min(count // part for count, part in zip(then, ratio, strict=True))
    return tuple(count - whole * part for count, part in zip(then, ratio, strict=True)) if whole else tuple(then)


def _certain(scheme: Scheme, n: int, one: Number) -> list[Number]:
    """Chance that every state which the past allows leads to the same next arm.

    A chain over the true state and the set of states that are possible for who sees the allocations: which slots are
    certain goes by the set alone.
    """
    start = scheme.start()
    nodes: dict[Any, Number] = {(start, frozenset([start])): one}
    steps: dict[Any, tuple[frozenset[State], ...]] = {}
    certain: list[Number] = []
    for _ in range(n):
        after: dict[Any, Number] = {}
        sure = 0 * one
        for (state, possible), chance in nodes.items():
            if possible not in steps:
                steps[possible] = _possible_after(scheme, possible)
            if sum(bool(states) for states in steps[possible]) == 1:
                sure += chance
            _, then = _step(scheme, {state: chance}, one)
            for arm, table in enumerate(then):
                for reached, here in table.items():
                    _add(after, (reached, steps[possible][arm]), here)
        if len(after) > MOST_NODES:
            raise TooManyStates
        nodes = _worth_following(after, one)
        certain.append(sure)
    return certain


def _possible_after(scheme: Scheme, possible: frozenset[State]) -> tuple[frozenset[State], ...]:
    """By arm, the states that may be reached from any of the possible ones."""
    reached: list[set[State]] = [set() for _ in range(scheme.n_arms)]
    for state in possible:
        for _, inside in scheme.openings(state):
            for arm, weight in enumerate(scheme.weights(inside)):
                if weight:
                    reached[arm].add(scheme.after(inside, arm))
    return tuple(frozenset(states) for states in reached)


def best_guesser(scheme: Scheme, n: int, *, exact: bool = False, grid: float = _GRID) -> tuple[list[Number], float]:
    """Chance that the best guesser is right at each slot, and how far their sum may be off.

    A chain over what the guesser believes of the unseen state, by Bayes' rule. Beliefs with the same possible states
    that agree to ``grid`` are taken for one, the heavier one. The number of right guesses in m further slots is a
    convex function of the belief with values from 0 to m, so that moving a mass p by a total variation t changes its
    expectation by at most p t m; these are added up.
    """
    one: Number = Fraction(1) if exact else 1.0
    nodes: dict[Any, tuple[dict[State, Number], Number]] = {None: ({scheme.start(): one}, one)}
    best: list[Number] = []
    bound = 0.0
    for slot in range(n):
        after: dict[Any, tuple[dict[State, Number], Number]] = {}
        right = 0 * one
        for belief, mass in nodes.values():
            chances, then = _step(scheme, belief, one)
            right += mass * max(chances)
            for chance, table in zip(chances, then, strict=True):
                if not table:
                    continue
                new = {state: value / chance for state, value in table.items()}
                key = frozenset((state, value if exact else round(value / grid)) for state, value in new.items())
                moved = mass * chance
                held = after.get(key)
                if held is None:
                    after[key] = (new, moved)
                    continue
                if not exact:
                    apart = sum(abs(held[0][state] - new[state]) for state in new) / 2
                    bound += float(min(moved, held[1]) * apart) * (n - slot - 1)
                after[key] = (held[0] if held[1] >= moved else new, held[1] + moved)
        if len(after) > MOST_NODES:
            raise TooManyStates
        nodes = after
        best.append(right)
    return best, bound


def _step(scheme: Scheme, belief: dict[State, Number], one: Number) -> tuple[list[Number], list[dict[State, Number]]]:
    """Chance of each arm under a belief, and the states it may lead to with their joint chances."""
    chances = [0 * one] * scheme.n_arms
    then: list[dict[State, Number]] = [{} for _ in chances]
    for state, chance in belief.items():
        openings = scheme.openings(state)
        all_openings = sum(weight for weight, _ in openings)
        for opening, inside in openings:
            weights = scheme.weights(inside)
            total = sum(weights) * all_openings
            for arm, weight in enumerate(weights):
                if weight:
                    here = chance * _share(weight * opening, total, one)
                    chances[arm] += here
                    _add(then[arm], scheme.after(inside, arm), here)
    return chances, then
