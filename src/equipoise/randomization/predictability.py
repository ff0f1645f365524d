"""The report on predictability: what a protocol's scheme gives away and how it balances, beside other schemes.

Worked out for the planned number of participants, sites and strata. ``docs/methods/randomization.md`` explains every
column and the advice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import mul
from typing import Any

from equipoise.foundation.errors import Problem, RandomizationError
from equipoise.protocol import Protocol
from equipoise.randomization.companion import Companion
from equipoise.randomization.exact import TooManyStates
from equipoise.randomization.expected import Expectation, expect
from equipoise.randomization.minimization import Minimization
from equipoise.randomization.minimization_course import expect_minimization
from equipoise.randomization.plan import SITE, PlannedRandomization, randomizations_without_scheme
from equipoise.randomization.registry import check_ratio, default_parameters, make_scheme
from equipoise.randomization.scheme import Scheme, reduced

CODES = {
    "L040": "The planned number of participants is not known.",
    "L041": "The number of sites is not known.",
}
MOST_PARTICIPANTS = 2000
FUNCTIONAL_UNBLINDING = (
    "The guess rate assumes a person who knows every past allocation of the stream. If a treatment can be "
    "felt or seen (an infusion that causes dissociation, blood pressure that rises), staff learn past "
    "allocations without being told, and a person who can guess the next one can choose whom to enrol. "
    "This is real selection bias. Effective blinding reduces the rate to chance, whatever the scheme."
)


@dataclass(frozen=True, slots=True)
class PredictedRow:
    """One scheme of the table: ``standing`` is sealed, protocol or candidate; ``expected`` is absent where it cannot
    be worked out, and ``note`` says why, or what to think of."""

    scheme: str
    parameters: Mapping[str, Any]
    standing: str
    expected: Expectation | None
    note: str = ""

    @property
    def words(self) -> str:
        """The scheme with its parameters."""
        return scheme_words(self.scheme, self.parameters)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        expected = asdict(self.expected) if self.expected is not None else None
        return {
            "scheme": self.scheme,
            "parameters": dict(self.parameters),
            "standing": self.standing,
            "words": self.words,
            "expected": expected,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Predictability:
    """One randomization of the trial with the table of schemes."""

    planned: PlannedRandomization
    n: int
    n_strata: int
    levels: Mapping[str, int]
    rows: tuple[PredictedRow, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "stage": self.planned.stage,
            "arms": list(self.planned.arms),
            "ratio": list(self.planned.ratio),
            "n": self.n,
            "n_strata": self.n_strata,
            "levels": dict(self.levels),
            "rows": [row.as_dict() for row in self.rows],
        }


def predictability(
    protocol: Protocol, companion: Companion | None = None, *, n: int | None = None, n_sites: int | None = None
) -> tuple[Predictability, ...]:
    """The table of schemes for each randomization of a protocol.

    ``n`` is by default what the protocol plans; ``n_sites`` by default its list of sites, and makes site a
    stratification factor where the protocol does not say so. With a companion its sealed parameters are worked out,
    otherwise recommended ones. Raises :class:`~equipoise.foundation.errors.RandomizationError`: L040, L041 and those of
    the plan.
    """
    size = n if n is not None else _planned_n(protocol)
    if size is None or not 1 <= size <= MOST_PARTICIPANTS:
        raise RandomizationError(
            Problem(
                "L040",
                "trial.planned-n",
                "No number is given here." if size is None else f"{size} participants.",
                f"a number from 1 to {MOST_PARTICIPANTS}",
                "Give --n, or planned-n in the protocol.",
            )
        )
    known: dict[Any, PredictedRow] = {}
    return tuple(
        _of(planned, companion, size, _levels(planned, n_sites), known)
        for planned in randomizations_without_scheme(protocol)
    )


def _planned_n(protocol: Protocol) -> int | None:
    stated = protocol.model.trial.planned_n.usable
    if stated is not None:
        return stated
    sizes = [arm.n.usable for arm in protocol.model.arms.values()]
    return sum(size for size in sizes if size is not None) if all(size for size in sizes) else None


def _levels(planned: PlannedRandomization, n_sites: int | None) -> dict[str, int]:
    levels = {name: len(values) for name, values in planned.levels.items()}
    if n_sites is not None:
        if n_sites < 1:
            raise RandomizationError(Problem("L041", "--sites", f"{n_sites} sites.", "1 or more"))
        if n_sites > 1 or SITE in levels:
            levels[SITE] = n_sites
    return levels


def _of(
    planned: PlannedRandomization,
    companion: Companion | None,
    n: int,
    levels: dict[str, int],
    known: dict[Any, PredictedRow],
) -> Predictability:
    n_strata = reduce(mul, levels.values(), 1)
    rows: list[PredictedRow] = []
    if companion is not None:
        sealed = next(item for item in companion.randomizations if item.planned.stage == planned.stage)
        rows.append(_row(sealed.scheme, "sealed", n, levels, n_strata))
    elif planned.scheme:
        problems = check_ratio(planned.scheme, planned.ratio, "randomization.scheme")
        if problems:
            raise RandomizationError(problems)
        size = n if n_strata == 1 else None
        parameters = default_parameters(planned.scheme, planned.ratio, tuple(levels), size)
        scheme, found = make_scheme(planned.scheme, planned.ratio, parameters, tuple(levels), "randomization.scheme")
        if scheme is None:
            raise RandomizationError(found)
        rows.append(_row(scheme, "protocol", n, levels, n_strata))
    for scheme in candidates(planned.ratio, levels, n):
        if not any(row.scheme == scheme.name and row.parameters == scheme.parameters() for row in rows):
            # Stages with the same ratio have the same table: it is worked out once.
            key = (scheme, tuple(levels.items()), n)
            if key not in known:
                known[key] = _row(scheme, "candidate", n, levels, n_strata)
            rows.append(known[key])
    return Predictability(planned, n, n_strata, levels, tuple(rows))


def candidates(ratio: Sequence[int], levels: Mapping[str, int], n: int) -> list[Scheme]:
    """Schemes worth comparing for this ratio, the most predictable blocks among them as a warning."""
    unit = sum(reduced(ratio))
    n_strata = reduce(mul, levels.values(), 1)
    total = {"total": -(-n // unit) * unit}
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("permuted-blocks", {"block-sizes": [unit]}),
        ("permuted-blocks", {"block-sizes": [2 * unit]}),
        ("permuted-blocks", {"block-sizes": [2 * unit, 3 * unit]}),
        ("permuted-blocks", {"block-sizes": [2 * unit, 3 * unit, 4 * unit]}),
        ("big-stick", {"limit": 2}),
        ("big-stick", {"limit": 3}),
        ("chen", {"limit": 3, "probability": "2/3"}),
        ("efron", {"probability": "2/3"}),
        ("wei-urn", {"alpha": 0, "beta": 1}),
        ("complete", {}),
    ]
    if n_strata == 1:
        wanted += [("random-allocation-rule", total), ("truncated-binomial", total)]
    if levels:
        weights = dict.fromkeys(levels, 1)
        wanted += [
            ("minimization", {"probability": chance, "measure": "range", "weights": weights}) for chance in ("4/5", "1")
        ]
    made = [make_scheme(name, ratio, parameters, tuple(levels), name)[0] for name, parameters in wanted]
    return [scheme for scheme in made if scheme is not None]


def _row(scheme: Scheme, standing: str, n: int, levels: Mapping[str, int], n_strata: int) -> PredictedRow:
    parameters = scheme.parameters()
    try:
        if isinstance(scheme, Minimization):
            ordered = [levels[name] for name in scheme.weights_of]
            expected = expect_minimization(scheme, n, ordered)
        else:
            expected = expect(scheme, n, n_strata)
    except TooManyStates:
        return PredictedRow(scheme.name, parameters, standing, None, "too many states to calculate")
    return PredictedRow(scheme.name, parameters, standing, expected, _advice(scheme, n_strata, expected))


def _advice(scheme: Scheme, n_strata: int, expected: Expectation) -> str:
    if scheme.name == "permuted-blocks":
        sizes = parameters_sizes(scheme)
        if min(sizes) == sum(scheme.ratio) and len(sizes) == 1:
            return "never: the end of every block is certain"
        if expected.n / n_strata < 2 * max(sizes):
            return "strata are small for these blocks: use fewer strata"
        if len(sizes) == 1:
            return "a single size is recognized; mix sizes"
    if isinstance(scheme, Minimization):
        if scheme.probability > 0.8:
            return "the most predictable of all: a probability of at most 4/5"
        if len(scheme.weights_of) < 3:
            return "worthwhile with three or more important factors"
    if scheme.name == "complete" and expected.n < 200:
        return "numbers may differ widely in a small trial"
    return ""


def parameters_sizes(scheme: Scheme) -> list[int]:
    """The block sizes of permuted blocks."""
    return list(scheme.parameters()["block-sizes"])


def scheme_words(scheme: str, parameters: Mapping[str, Any]) -> str:
    """A scheme and its parameters in a few words: ``permuted-blocks 4, 6``."""
    if scheme == "permuted-blocks":
        said = ", ".join(map(str, parameters["block-sizes"]))
    elif scheme == "wei-urn":
        said = f"({parameters['alpha']}, {parameters['beta']})"
    elif scheme == "minimization":
        weights = parameters["weights"]
        factors = ", ".join(name if weight == 1 else f"{weight} {name}" for name, weight in weights.items())
        said = f"p {parameters['probability']}, {parameters['measure']} of {factors or 'the totals'}"
    else:
        names = {"limit": "limit", "probability": "p", "total": "total"}
        said = ", ".join(f"{names[name]} {value}" for name, value in parameters.items())
    return f"{scheme} {said}".strip()
