"""Parameters of the day-level model: what they mean, what values they may take, and how they are read.

A protocol names parameter sets under ``assumptions``; :func:`parameters_from_mapping` turns the ``parameters`` of one
set into a :class:`DayLevelParameters` and reports everything that is wrong with it at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from equipoise.foundation.errors import Problem, SimulationError, listed, nearest, raise_if_any


def _real(symbol: str, meaning: str, default: Any = dataclasses.MISSING) -> Any:
    return field(default=default, metadata={"kind": "real", "symbol": symbol, "meaning": meaning})


def _positive(symbol: str, meaning: str, default: Any = dataclasses.MISSING) -> Any:
    return field(default=default, metadata={"kind": "positive", "symbol": symbol, "meaning": meaning})


def _spread(symbol: str, meaning: str, default: Any = dataclasses.MISSING) -> Any:
    return field(default=default, metadata={"kind": "spread", "symbol": symbol, "meaning": meaning})


def _count(symbol: str, meaning: str, default: Any = dataclasses.MISSING) -> Any:
    return field(default=default, metadata={"kind": "count", "symbol": symbol, "meaning": meaning})


def _probability(symbol: str, meaning: str, default: Any = dataclasses.MISSING) -> Any:
    return field(default=default, metadata={"kind": "probability", "symbol": symbol, "meaning": meaning})


def _share(symbol: str, meaning: str, default: Any = dataclasses.MISSING) -> Any:
    return field(default=default, metadata={"kind": "share", "symbol": symbol, "meaning": meaning})


def _by_arm(symbol: str, meaning: str, kind: str) -> Any:
    return field(metadata={"kind": kind, "symbol": symbol, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLevelParameters:
    """How fictional participants use, come, are tested, report and crave; symbols as on the methods page.

    Log-odds and logarithms are natural. A value "by arm" is a mapping from arm to number with an entry for every arm.
    Nothing here is an estimate of the real world: the sets that come with the flagship are one possible world in which
    the published results would be unsurprising.

    Attributes are listed with symbol and meaning by :func:`parameter_table` and on the methods page
    ``day_level_model.md``; probabilities lie strictly between 0 and 1, shares between 0 and 1, spreads are not
    negative.
    """

    # Daily use.
    use_log_odds: float = _real(
        "alpha", "log-odds of use on a day, for a typical participant who did not use the day before"
    )
    use_poor_route: float = _real("bR", "added log-odds of use for the route of use with the poorer outlook")
    poor_route_share: float = _probability("pR", "share of participants with that route")
    use_person_sd: float = _spread("sb", "standard deviation between participants of the log-odds of use")
    use_yesterday: float = _real("gam", "added log-odds of use on the day after a day of use")
    use_first_days: float = _real("hot", "added log-odds of use on the first outpatient day, fading afterwards")
    first_days_decay: float = _positive("", "days in which that fades to 1/e", 3.0)
    responder_share: Mapping[str, float] = _by_arm("pi", "share of participants who respond, by arm", "shares-by-arm")
    responder_effect: float = _real("delta", "log-odds of use taken away from a participant who responds")
    # Coming to visits.
    dropout_log_odds: float = _real("d0", "log-odds of being gone before a visit")
    dropout_use: float = _real("dU", "added where there was any use since the previous planned visit")
    dropout_arm: Mapping[str, float] = _by_arm("dA", "added, by arm", "reals-by-arm")
    dropout_early: float = _real("dE", "added at the early visits")
    n_early_visits: int = _count("", "how many visits count as early", 2)
    missed_without_use: float = _share("", "probability that a visit is missed by someone who stays, without use", 0.04)
    missed_with_use: float = _share("", "the same, with use since the previous planned visit", 0.10)
    # Being tested and asked.
    urine_sensitivity: tuple[float, ...] = field(
        default=(0.98, 0.97, 0.90, 0.60),
        metadata={
            "kind": "shares",
            "symbol": "sens",
            "meaning": "probability that use is detected, by days since the use: same day, one day, ...",
        },
    )
    urine_specificity: float = _probability("spec", "probability that a urine without use to detect is negative", 0.995)
    under_reporting: float = _share("u", "probability that a day of use is not reported")
    # Craving, as marked on a line.
    craving_log_level: float = _real("k0", "mean logarithm of craving without use, in the reference arm")
    craving_arm: Mapping[str, float] = _by_arm("kA", "added to the logarithm, by arm", "reals-by-arm")
    craving_use: float = _real("kU", "added where all of the last four days were days of use, in proportion")
    craving_poor_route: float = _real("kR", "added for the route with the poorer outlook")
    craving_propensity: float = _real("kz", "added for each standard deviation of the propensity to use")
    craving_person_sd: float = _spread("ku", "standard deviation between participants of log craving")
    craving_visit_sd: float = _spread("ke", "standard deviation between visits of log craving")
    craving_highest: float = _positive("", "end of the line; marks are whole numbers from 0 to this", 100.0)
    # The telephone call.
    six_months_reached: float = _share("", "probability of being reached by telephone", 0.95)
    six_months_log_odds: float = _real("m0", "log-odds of reporting abstinence when reached")
    six_months_arm: Mapping[str, float] = _by_arm("mA", "added, by arm", "reals-by-arm")
    six_months_abstinent: float = _real("mE", "added for those abstinent at the end of the study")
    # Route as a fact of the scenario instead of a draw.
    poor_route_counts: Mapping[str, int] | None = field(
        default=None,
        metadata={
            "kind": "counts-by-arm",
            "symbol": "R",
            "meaning": "how many have the poorer route, by arm, where the scenario fixes it; absent: drawn",
        },
    )

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        for name in BY_ARM:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, MappingProxyType(dict(value)))

    def as_mapping(self) -> dict[str, Any]:
        """The set as the protocol file writes it: kebab-case names, plain values."""
        out: dict[str, Any] = {}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if value is None:
                continue
            if isinstance(value, Mapping):
                value = dict(value)
            elif isinstance(value, tuple):
                value = list(value)
            out[item.name.replace("_", "-")] = value
        return out


FIELDS = {item.name: item for item in dataclasses.fields(DayLevelParameters)}
BY_ARM = tuple(name for name, item in FIELDS.items() if str(item.metadata["kind"]).endswith("-by-arm"))
_EXPECTED = {
    "real": "a number",
    "positive": "a number above 0",
    "spread": "a number of 0 or more",
    "count": "a whole number of 0 or more",
    "probability": "a number between 0 and 1, neither included",
    "share": "a number from 0 to 1",
    "shares": "a list of numbers from 0 to 1",
    "reals-by-arm": "a number for each arm",
    "shares-by-arm": "a number from 0 to 1 for each arm",
    "counts-by-arm": "a whole number for each arm, at most the size of the arm",
}


def parameter_table() -> list[dict[str, str]]:
    """Name, symbol, meaning and bounds of every parameter, in order: the table of the methods page."""
    return [
        {
            "name": name.replace("_", "-"),
            "symbol": str(item.metadata["symbol"]),
            "meaning": str(item.metadata["meaning"]),
            "expected": _EXPECTED[str(item.metadata["kind"])],
        }
        for name, item in FIELDS.items()
    ]


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number - number == 0.0 and not isinstance(value, str) else None


def _fits(kind: str, value: Any) -> bool:
    number = _number(value)
    if number is None:
        return False
    if kind == "real":
        # Beyond 50 a log-odds or a logarithm is a slip of the pen, and its exponential no longer a number to print.
        return abs(number) <= 50
    return {
        "positive": number > 0,
        "spread": 0 <= number <= 50,
        "count": number >= 0 and number == int(number),
        "probability": 0 < number < 1,
        "share": 0 <= number <= 1,
    }[kind]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _by_arm_problems(name: str, kind: str, value: Any, arms: Sequence[str], sizes: Mapping[str, int]) -> list[Problem]:
    place = f"parameters.{name.replace('_', '-')}"
    if not isinstance(value, Mapping):
        return [
            Problem(
                "S004", place, f"Found {_shown(value)}.", _EXPECTED[kind], f"Name {listed(arms, conjunction='and')}."
            )
        ]
    problems = []
    for arm in value:
        if arm not in arms:
            guess = nearest(str(arm), arms)
            hint = f"Did you mean {guess}?" if guess else ""
            problems.append(Problem("S005", f"{place}.{arm}", f"There is no arm {arm!r}.", listed(arms), hint))
    single = {"reals-by-arm": "real", "shares-by-arm": "share", "counts-by-arm": "count"}[kind]
    for arm in arms:
        if arm not in value:
            problems.append(Problem("S006", place, f"No value for the arm {arm}.", _EXPECTED[kind], f"Add {arm}."))
        elif not _fits(single, value[arm]) or (single == "count" and value[arm] > sizes.get(arm, value[arm])):
            problems.append(Problem("S004", f"{place}.{arm}", f"Found {_shown(value[arm])}.", _EXPECTED[kind]))
    return problems


def parameters_from_mapping(
    mapping: Mapping[str, Any], arms: Sequence[str], *, arm_sizes: Mapping[str, int] | None = None
) -> DayLevelParameters:
    """Read ``assumptions.<name>.parameters``; names may be kebab-case or snake_case.

    Raises :class:`~equipoise.foundation.errors.SimulationError` with every problem: S001 not a mapping, S002 unknown
    name, S003 name absent, S004 value out of bounds, S005 unknown arm, S006 arm absent, S007 name given twice.
    """
    problems: list[Problem] = []
    if not isinstance(mapping, Mapping):
        raise SimulationError(
            Problem(
                "S001", "parameters", f"Found {_shown(mapping)}.", "names with values", "List the model's parameters."
            )
        )
    known = [name.replace("_", "-") for name in FIELDS]
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        name = str(key).replace("-", "_")
        if name not in FIELDS:
            guess = nearest(str(key), known)
            hint = f"Did you mean {guess}?" if guess else "docs/methods/day_level_model.md lists the parameters."
            problems.append(Problem("S002", f"parameters.{key}", f"There is no parameter {key!r}.", "", hint))
        elif name in values:
            problems.append(Problem("S007", f"parameters.{key}", "Given twice.", "each parameter once"))
        else:
            values[name] = value
    read: dict[str, Any] = {}
    for name, item in FIELDS.items():
        kind = str(item.metadata["kind"])
        place = f"parameters.{name.replace('_', '-')}"
        if name not in values:
            if item.default is dataclasses.MISSING:
                meaning = str(item.metadata["meaning"])
                problems.append(
                    Problem("S003", place, f"Absent: {meaning}.", _EXPECTED[kind], f"Add {known_name(name)}.")
                )
            continue
        value = values[name]
        if kind.endswith("-by-arm"):
            if value is None and item.default is None:
                continue
            found = _by_arm_problems(name, kind, value, arms, arm_sizes or {})
            problems += found
            if not found:
                convert = int if kind.startswith("counts") else float
                read[name] = {arm: convert(value[arm]) for arm in arms}
        elif kind == "shares":
            is_list = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
            if is_list and all(_fits("share", v) for v in value):
                read[name] = tuple(float(v) for v in value)
            else:
                problems.append(Problem("S004", place, f"Found {_shown(value)}.", _EXPECTED[kind]))
        elif _fits(kind, value):
            read[name] = int(value) if kind == "count" else float(value)
        else:
            problems.append(Problem("S004", place, f"Found {_shown(value)}.", _EXPECTED[kind]))
    raise_if_any(SimulationError, problems)
    return DayLevelParameters(**read)


def known_name(name: str) -> str:
    """The parameter's name as the protocol file writes it."""
    return name.replace("_", "-")
