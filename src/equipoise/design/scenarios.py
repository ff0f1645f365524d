"""Scenarios: a set of the protocol's assumptions, as it stands or with named changes.

``for-power`` is a set of the protocol; ``for-power+attenuated`` is that set with a change; ``attenuated`` alone is the
change of the protocol's first set. A file beside the protocol may describe further ones::

    scenarios:
      modest-effect:
        words: half the effect, and dropout that does not depend on use
        base: for-power
        changes: [attenuated, dropout-uninformative]
        n: {midazolam: 55, ketamine: 55}
        parameters: {under-reporting: 0.3}

Every change is of the assumptions alone, and says so in words; the analysis plan is never touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equipoise.design import changes_of_parts as of_parts
from equipoise.foundation.errors import DesignError, Problem, listed, nearest, raise_if_any
from equipoise.foundation.hashing import sha256_value
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Assumptions, Estimand
from equipoise.simulation.accompanying import AccompanyingParameters
from equipoise.simulation.parameters import DayLevelParameters
from equipoise.simulation.reading import KINDS, parameter_table, plain
from equipoise.simulation.scenario import AnyScenario, Scenario, read_scenario, require_day_level, scenario_names
from equipoise.simulation.simple import SimpleScenario

CODES = {
    "D001": "There is no scenario with this name.",
    "D002": "Unknown assumption.",
    "D003": "A file of scenarios cannot be read.",
    "D005": "A proportion is not between 0 and 1.",
    "D006": "There are fewer participants than arms.",
    "D016": "Assumptions of this level do not have this change.",
}
NULL_OF = "null:"  # before the endpoint that has no effect, the others having theirs
Settings = dict[str, Any]  # model, n, baseline, parameters; plain values


@dataclass(frozen=True)
class ScenarioSpec:
    """A scenario resolved: its name, what it is in words, and every assumption as the protocol file would write it."""

    name: str
    words: str
    settings: Mapping[str, Any] = field(hash=False)
    base: str = ""
    changes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """SHA-256 of the assumptions; two scenarios of one key are the same world."""
        return sha256_value(plain(self.settings))

    def changed(self, name: str, words: str, settings: Settings) -> ScenarioSpec:
        """The scenario after one more change."""
        joined = f"{self.words} {words}".strip()
        return ScenarioSpec(f"{self.name}+{name}", joined, settings, self.base, (*self.changes, name))


def build_scenario(protocol: Protocol, spec: ScenarioSpec) -> AnyScenario:
    """What the simulator runs.

    Raises :class:`~equipoise.foundation.errors.SimulationError` with everything that the assumptions lack or get wrong.
    """
    if not spec.changes and spec.name in scenario_names(protocol):
        return read_scenario(protocol, spec.name)
    values = plain(spec.settings)
    entry = Assumptions.model_validate(values)
    model = protocol.model.model_copy(update={"assumptions": {spec.name: entry}})
    return read_scenario(Protocol(model), spec.name)


def settings_of(protocol: Protocol, name: str) -> Settings:
    """A set of the protocol's assumptions as plain values, the sizes of all arms filled in."""
    entry = protocol.assumption_set(name)
    sizes = {arm: entry.n.get(arm, value.n.usable) for arm, value in protocol.model.arms.items()}
    values = {
        "model": entry.model,
        "n": {arm: int(size) for arm, size in sizes.items() if size is not None},
        "baseline": plain(dict(entry.baseline)),
        "parameters": plain(dict(entry.parameters)),
    }
    if entry.simple:
        more = {"simple": plain(dict(entry.simple)), "attrition": plain(entry.attrition)}
        return {**values, **more, "between-endpoints": entry.between_endpoints}
    return {**values, "parts": plain(dict(entry.parts))} if entry.parts else values


def level_of(settings: Mapping[str, Any]) -> str:
    """Level of a set of assumptions: simple, parts or day-level."""
    return next((level for level in ("simple", "parts") if settings.get(level)), "day-level")


def _require_level(spec: ScenarioSpec, what: str, level: str = "day-level") -> None:
    found = level_of(spec.settings)
    if found != level:
        expected = f"a set of the level {level}"
        raise DesignError(Problem("D016", spec.name, f"{what} is a change of {level} assumptions.", expected))


def resolve_scenario(protocol: Protocol, text: str | None = None) -> list[ScenarioSpec]:
    """The scenarios that a name, a name with changes, or a file stand for; ``None`` is the protocol's first set.

    Raises :class:`~equipoise.foundation.errors.DesignError`: D001 no such name, D003 the file cannot be read.
    """
    names = scenario_names(protocol)
    if not names:
        raise DesignError(
            Problem(
                "D001",
                "assumptions",
                f"The protocol {protocol.id} states no assumptions.",
                "a named set of assumptions",
                "Add one; docs/methods/day_level_model.md shows a whole set.",
            )
        )
    if text is None:
        return [_from_set(protocol, names[0])]
    if Path(text).suffix in (".yaml", ".yml"):
        return _read_file(protocol, Path(text))
    return [_from_words(protocol, text)]


def _from_set(protocol: Protocol, name: str) -> ScenarioSpec:
    words = protocol.model.assumptions[name].words or ""
    return ScenarioSpec(name, words, settings_of(protocol, name), name)


def _from_words(protocol: Protocol, text: str, place: str = "--scenario") -> ScenarioSpec:
    names = scenario_names(protocol)
    parts = [part.strip() for part in text.split("+")]
    problems = []
    for position, part in enumerate(parts):
        is_known = part in CHANGES or part.startswith(NULL_OF) or (position == 0 and part in names)
        if not is_known:
            known = [*names, *CHANGES] if position == 0 else list(CHANGES)
            guess = nearest(part, known)
            problems.append(
                Problem(
                    "D001",
                    place,
                    f"There is no scenario {part!r}." if position == 0 else f"No change {part!r}.",
                    f"{listed(names)}, or a change of assumptions: {listed(CHANGES, limit=30)}, or {NULL_OF}ENDPOINT",
                    f"Did you mean {guess}?" if guess else "Put a scenario of your own in a YAML file.",
                )
            )
    raise_if_any(DesignError, problems)
    # A set of the protocol wins over a change of the same name.
    base = parts.pop(0) if parts[0] in names else names[0]
    spec = _from_set(protocol, base)
    for part in parts:
        spec = apply_change(protocol, spec, part)
    return spec


def apply_change(protocol: Protocol, spec: ScenarioSpec, name: str) -> ScenarioSpec:
    """A scenario with one more named change; ``null:ENDPOINT`` takes the effect on that endpoint alone."""
    if name.startswith(NULL_OF):
        return _without_effect_on(spec, name)
    change, words = CHANGES[name]
    if level_of(spec.settings) == "parts" and name in _OF_PARTS:
        change, words = _OF_PARTS[name]
    elif name not in _OF_EVERY_LEVEL:
        _require_level(spec, name)
    return spec.changed(name, words, change(protocol, spec))


def _without_effect_on(spec: ScenarioSpec, name: str) -> ScenarioSpec:
    """No effect on one endpoint of a simple set: hypotheses about it are true, and others may be false."""
    endpoint = name.removeprefix(NULL_OF)
    _require_level(spec, name, "simple")
    drawn = spec.settings["simple"]
    if endpoint not in drawn:
        found = f"{spec.name} draws no endpoint {endpoint!r}."
        raise DesignError(Problem("D016", name, found, f"{NULL_OF} and one of {listed(drawn, limit=30)}"))
    given = plain(spec.settings["parameters"])
    gone = [*given.get("without-effect", []), endpoint]
    settings = {**spec.settings, "parameters": {**given, "without-effect": gone}}
    return spec.changed(name, f"No effect on {endpoint}.", settings)


def override(
    protocol: Protocol, spec: ScenarioSpec, values: Mapping[str, Any], place: str = "parameters"
) -> ScenarioSpec:
    """A scenario with parameters replaced; D002 says which exist when one does not, D005 checks shares."""
    known = {row["name"]: row for cls in (DayLevelParameters, AccompanyingParameters) for row in parameter_table(cls)}
    main = {row["name"] for row in parameter_table(DayLevelParameters)}
    problems = []
    parameters = plain(spec.settings["parameters"])
    for name, value in values.items():
        where = f"{place}.{name}"
        if name == "accompanying" and isinstance(value, Mapping):
            inner = override(protocol, spec, value, where)
            parameters["accompanying"] = inner.settings["parameters"].get("accompanying", {})
            continue
        if name not in known:
            guess = nearest(name, known)
            problems.append(
                Problem(
                    "D002",
                    where,
                    f"There is no assumption {name!r}.",
                    listed(sorted(main), limit=60),
                    f"Did you mean {guess}?" if guess else "docs/methods/day_level_model.md explains each.",
                )
            )
            continue
        expected = known[name]["expected"]
        singles = list(value.values()) if isinstance(value, Mapping) else [value]
        if expected in (KINDS["share"], KINDS["shares-by-arm"], KINDS["probability"]):
            for single in singles:
                is_number = isinstance(single, (int, float)) and not isinstance(single, bool)
                if not is_number or not 0 <= single <= 1:
                    problems.append(Problem("D005", where, f"Found {single!r}.", expected))
        if name in main:
            parameters[name] = value
        else:
            parameters.setdefault("accompanying", {})[name] = value
    raise_if_any(DesignError, problems)
    return ScenarioSpec(
        spec.name, spec.words, {**spec.settings, "parameters": parameters}, spec.base, (*spec.changes, place)
    )


# ---------------------------------------------------------------------------------------------------------------------
# Named changes. Each takes the scenario and gives its settings anew.

_BY_ARM = ("responder-share", "dropout-arm", "craving-arm", "six-months-arm")
_ACCOMPANYING_BY_ARM = ("mindfulness-arm", "stress-arm")


def scale_effect(protocol: Protocol, spec: ScenarioSpec, factor: float) -> Settings:
    """Every effect of the arm times ``factor``: 0 leaves all arms like the reference arm, 1 changes nothing.

    Of a simple set all arms move towards their mean.
    """
    if level_of(spec.settings) != "day-level":
        given = plain(spec.settings["parameters"])
        return {**spec.settings, "parameters": {**given, "effect-factor": factor * given.get("effect-factor", 1.0)}}
    reference = protocol.arm_ids[0]
    parameters = plain(spec.settings["parameters"])

    def scaled(values: Mapping[str, float], default: float) -> dict[str, float]:
        base = float(values.get(reference, default))
        return {arm: base + factor * (float(value) - base) for arm, value in values.items()}

    for name in _BY_ARM:
        if isinstance(parameters.get(name), Mapping):
            parameters[name] = scaled(parameters[name], 0.0)
    defaults = AccompanyingParameters()
    accompanying = dict(parameters.get("accompanying", {}))
    for name in _ACCOMPANYING_BY_ARM:
        values = accompanying.get(name, plain(getattr(defaults, name.replace("-", "_"))))
        accompanying[name] = scaled(values, 0.0)
    parameters["accompanying"] = accompanying
    return {**spec.settings, "parameters": parameters}


def is_null(scenario: AnyScenario) -> bool:
    """Whether no outcome depends on the arm, so that the true effect of every comparison is none.

    A baseline fixed unequally between the arms is not null: an unadjusted comparison then has an effect. One arm has
    no comparison, and what a goal is held against may be missed or met in any world.
    """
    if len(scenario.arm_sizes) < 2:
        return False
    if not isinstance(scenario, Scenario):
        return scenario.is_null
    p, a = scenario.parameters, scenario.accompanying
    by_arm = [p.responder_share, p.dropout_arm, p.craving_arm, p.six_months_arm]
    arms = scenario.design.arm_ids
    equal = all(len({float(values[arm]) for arm in arms}) == 1 for values in by_arm)
    rest = all(len({float(values.get(arm, 0.0)) for arm in arms}) == 1 for values in (a.mindfulness_arm, a.stress_arm))
    counts = p.poor_route_counts
    sizes = scenario.design.arm_sizes
    balanced = counts is None or len({counts[arm] / sizes[arm] for arm in arms}) == 1
    return equal and rest and balanced


def is_null_of(protocol: Protocol, scenario: AnyScenario, estimand: Estimand) -> bool:
    """Whether the hypothesis of no effect of one estimand is true in the scenario, as far as it can be told.

    In simple assumptions it is where the endpoint and the loss are alike in the arms compared; in others only where
    nothing depends on the arm. What one arm is held against may be missed or met in any scenario.
    """
    if estimand.treatments.reference is None:
        return False
    if is_null(scenario):
        return True
    read = protocol.model.endpoints[estimand.endpoint].made_of or (estimand.endpoint,)
    if not isinstance(scenario, SimpleScenario) or not set(read) <= set(scenario.endpoints):
        return False
    arms = list(protocol.arm_ids)
    rows = [arms.index(name) for name in estimand.treatments.names if name in arms]
    if estimand.factor is not None or len(rows) < 2:
        rows = list(range(len(arms)))
    drawn = [scenario.endpoints[name] for name in read]
    parts = [part for found in drawn for part in (found.share, found.mean, found.sd, found.scale)]
    parts.append(scenario.attrition)
    return all(bool((part[rows] == part[rows[0]]).all()) for part in parts if part.size)


def _imbalance(protocol: Protocol, spec: ScenarioSpec) -> Settings:
    """The poorer level fixed: a share 0.2 higher in the reference arm than drawn, 0.2 lower in the others."""
    scenario = require_day_level(build_scenario(protocol, spec), "covariate-imbalance")
    share, sizes = scenario.parameters.poor_route_share, scenario.design.arm_sizes
    counts = {}
    for arm, size in sizes.items():
        wanted = share + (0.2 if arm == protocol.arm_ids[0] else -0.2)
        counts[arm] = f"{min(size, max(0, round(size * wanted)))} of {size}"
    baseline = {**plain(spec.settings["baseline"]), scenario.design.route_variable: counts}
    parameters = plain(spec.settings["parameters"])
    parameters.pop("poor-route-share", None)
    parameters.pop("poor-route-counts", None)
    return {**spec.settings, "baseline": baseline, "parameters": parameters}


def _with(**changes: Any) -> Callable[[Protocol, ScenarioSpec], Settings]:
    def change(protocol: Protocol, spec: ScenarioSpec) -> Settings:
        new = {name.replace("_", "-"): value for name, value in changes.items()}
        return {**spec.settings, "parameters": {**plain(spec.settings["parameters"]), **new}}

    return change


def dropout_share(scenario: AnyScenario, *, replicates: int = 400, seed: int = 1) -> float:
    """Share of participants gone by the last visit, both arms together, over some simulated trials."""
    from equipoise.simulation.day_level import simulate_day_level

    chosen = require_day_level(scenario, "dropout")
    trials = simulate_day_level(chosen.design, chosen.parameters, seed=seed, replicates=replicates)
    return float((trials.gone_from < len(chosen.design.clinic_visits)).mean())


def set_dropout(protocol: Protocol, spec: ScenarioSpec, share: float) -> Settings:
    """The log-odds of dropout moved until a ``share`` of all participants is gone by the last visit.

    Solved by bisection with common random numbers, to within a thousandth.
    """
    if not 0 < share < 1:
        found = f"Found {share:g}."
        raise DesignError(Problem("D005", "dropout", found, "a share of all participants, above 0 and below 1"))
    if level_of(spec.settings) != "day-level":
        return {**spec.settings, "parameters": {**plain(spec.settings["parameters"]), "lost": share}}
    low, high = -15.0, 10.0
    settings = dict(spec.settings)
    for _ in range(24):
        middle = (low + high) / 2
        settings = {**spec.settings, "parameters": {**plain(spec.settings["parameters"]), "dropout-log-odds": middle}}
        trial = ScenarioSpec(spec.name, "", settings, spec.base, (*spec.changes, "dropout"))
        found_share = dropout_share(build_scenario(protocol, trial))
        if abs(found_share - share) < 1e-3:
            break
        low, high = (middle, high) if found_share < share else (low, middle)
    return settings


def _same_dropout(**changes: Any) -> Callable[[Protocol, ScenarioSpec], Settings]:
    """Parameters changed, and the level of dropout restored to what it was."""

    def change(protocol: Protocol, spec: ScenarioSpec) -> Settings:
        share = dropout_share(build_scenario(protocol, spec))
        settings = _with(**changes)(protocol, spec)
        changed = ScenarioSpec(spec.name, "", settings, spec.base, (*spec.changes, "dropout"))
        return set_dropout(protocol, changed, share)

    return change


def _unblinding(protocol: Protocol, spec: ScenarioSpec) -> Settings:
    """Who knows the arm tells more of what is hoped for: scales and the telephone, never urine or the calendar."""
    parameters = plain(spec.settings["parameters"])
    accompanying = dict(parameters.get("accompanying", {}))
    defaults = AccompanyingParameters()
    told = {"craving-arm": -math.log(1.25), "six-months-arm": 0.5}
    for arm in protocol.arm_ids[1:]:
        for name, amount in told.items():
            values = dict(parameters[name])
            values[arm] = float(values.get(arm, 0.0)) + amount
            parameters[name] = values
        for name in _ACCOMPANYING_BY_ARM:
            values = dict(accompanying.get(name, plain(getattr(defaults, name.replace("-", "_")))))
            values[arm] = float(values.get(arm, 0.0)) + 0.1
            accompanying[name] = values
    return {**spec.settings, "parameters": {**parameters, "accompanying": accompanying}}


# Changes that assumptions of every level know.
_OF_EVERY_LEVEL = ("null", "attenuated", "published", "fewer-sites")
Change = Callable[[Protocol, ScenarioSpec], Settings]
# Name of a change -> how it is made, and what it is in words.
CHANGES: dict[str, tuple[Change, str]] = {
    "null": (lambda p, s: scale_effect(p, s, 0.0), "No effect: every arm is like the reference arm."),
    "attenuated": (lambda p, s: scale_effect(p, s, 0.5), "Every effect of the arm is halved."),
    "covariate-imbalance": (
        _imbalance,
        "By chance the reference arm holds 20 points more with the poorer outlook than expected, the others 20 fewer.",
    ),
    "published": (
        lambda p, s: dict(s.settings),
        "The effects as the set has them: in a calibrated set, those that return the published results.",
    ),
    "effect-fades": (
        _with(responder_fading=14.0),
        "The effect on use fades, to 1/e in two weeks: hazards come together, and are not proportional.",
    ),
    "fewer-sites": (
        lambda p, s: scaled_sizes(p, dict(s.settings), max(len(p.arm_ids), sum(s.settings["n"].values()) // 2)),
        "Half of the sites recruit: half as many participants; sites do not differ in this model.",
    ),
    "dropout-uninformative": (
        _same_dropout(dropout_use=0.0),
        "Dropout does not depend on use; as many drop out as before.",
    ),
    "dropout-informative": (
        _same_dropout(dropout_use=2.5),
        "Dropout depends strongly on use (log-odds 2.5); as many drop out as before.",
    ),
    "dropout-equal": (
        lambda p, s: _with(dropout_arm=dict.fromkeys(p.arm_ids, 0.0))(p, s),
        "Dropout does not differ by arm other than through use.",
    ),
    "under-reporting": (_with(under_reporting=0.5), "Half of all days of use are not reported."),
    "full-reporting": (_with(under_reporting=0.0), "Every day of use is reported."),
    "unblinding": (
        _unblinding,
        "Knowing the arm moves what is told and not what is used: craving falls by a fifth, the log-odds of reporting "
        "abstinence by telephone rise by 0.5, a mindfulness item rises and a stress item falls by 0.1.",
    ),
}


def _lost_alike(strongly: bool) -> Change:
    def change(protocol: Protocol, spec: ScenarioSpec) -> Settings:
        lost = of_parts.share_lost(build_scenario(protocol, spec))
        return of_parts.dropout_depends(spec.settings, lost, strongly=strongly)

    return change


# Changes that a set of parts knows too, each in its own words.
_OF_PARTS: dict[str, tuple[Change, str]] = {
    "effect-fades": (
        lambda p, s: of_parts.effect_fades(s.settings),
        "Every effect on use, scores and answers fades, to 1/e two weeks after the last dose (or after randomization).",
    ),
    "dropout-uninformative": (_lost_alike(False), "Dropout depends on nothing; as many drop out as before."),
    "dropout-informative": (
        _lost_alike(True),
        "Dropout depends strongly on use (log-odds 2.5), or without any on the first score (1 for an SD worse); as "
        "many drop out as before.",
    ),
    "dropout-equal": (
        lambda p, s: of_parts.dropout_equal(s.settings),
        "Dropout does not differ by arm other than through what people use or feel.",
    ),
    "under-reporting": (
        lambda p, s: of_parts.under_reporting(s.settings, 0.5, "under-reporting"),
        "Half of all days of use are not reported.",
    ),
    "full-reporting": (
        lambda p, s: of_parts.under_reporting(s.settings, 0.0, "full-reporting"),
        "Every day of use is reported.",
    ),
}


# ---------------------------------------------------------------------------------------------------------------------
# Files

_KEYS = ("words", "base", "changes", "n", "baseline", "parameters")


def _read_file(protocol: Protocol, path: Path) -> list[ScenarioSpec]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        loaded: Any = YAML(typ="rt").load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DesignError(Problem("D003", str(path), f"The file cannot be read: {error}.")) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark is not None else None
        problem = Problem("D003", "the file", f"This is not YAML: {error.problem}.", file=str(path), line=line)
        raise DesignError(problem) from None
    entries: Any = loaded.get("scenarios") if isinstance(loaded, Mapping) else None
    if not isinstance(entries, Mapping) or not entries:
        expected = "`scenarios:` and under it a name for each scenario"
        raise DesignError(Problem("D003", "the file", "The file holds no scenarios.", expected, file=str(path)))
    out: list[ScenarioSpec] = []
    problems: list[Problem] = []
    for name, entry in entries.items():
        line = entries.lc.key(name)[0] + 1  # type: ignore[attr-defined]
        try:
            out.append(_read_entry(protocol, str(name), entry))
        except DesignError as error:
            problems += [problem.at(str(path), problem.line or line) for problem in error.problems]
    raise_if_any(DesignError, problems)
    return out


def _read_entry(protocol: Protocol, name: str, entry: Any) -> ScenarioSpec:
    place = f"scenarios.{name}"
    if not isinstance(entry, Mapping):
        raise DesignError(Problem("D003", place, "A scenario is a mapping.", listed(_KEYS)))
    strange = [str(key) for key in entry if key not in _KEYS]
    problems = []
    for key in strange:
        guess = nearest(key, _KEYS)
        problems.append(
            Problem(
                "D003",
                f"{place}.{key}",
                f"A scenario has no {key!r}.",
                listed(_KEYS),
                f"Did you mean {guess}?" if guess else "",
            )
        )
    raise_if_any(DesignError, problems)
    base = str(entry.get("base", scenario_names(protocol)[0]))
    changes = entry.get("changes", [])
    changes = [changes] if isinstance(changes, str) else list(changes)
    spec = _from_words(protocol, "+".join([base, *map(str, changes)]), place)
    settings = dict(spec.settings)
    if "n" in entry:
        settings = with_sizes(
            protocol, settings, {str(k): v for k, v in _mapping(entry["n"], f"{place}.n").items()}, place
        )
    settings["baseline"] = {**settings["baseline"], **plain(_mapping(entry.get("baseline", {}), f"{place}.baseline"))}
    spec = ScenarioSpec(name, str(entry.get("words") or spec.words), settings, base, (*spec.changes, name))
    return override(protocol, spec, _mapping(entry.get("parameters", {}), f"{place}.parameters"), f"{place}.parameters")


def _mapping(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise DesignError(Problem("D003", place, f"Found {value!r}.", "names with values"))
    return {str(key): entry for key, entry in value.items()}


def with_sizes(protocol: Protocol, settings: Settings, sizes: Mapping[str, Any], place: str) -> Settings:
    """Settings with other sizes of arms; fixed counts of the prognostic level keep their share."""
    problems = []
    for arm, size in sizes.items():
        if arm not in protocol.arm_ids:
            problems.append(Problem("D002", f"{place}.n.{arm}", f"There is no arm {arm!r}.", listed(protocol.arm_ids)))
        elif isinstance(size, bool) or not isinstance(size, int) or size < 1:
            problems.append(Problem("D006", f"{place}.n.{arm}", f"Found {size!r}.", "a whole number of 1 or more"))
    raise_if_any(DesignError, problems)
    new = {**settings["n"], **{arm: int(size) for arm, size in sizes.items()}}
    baseline = {}
    for variable, value in settings["baseline"].items():
        baseline[variable] = _rescaled(value, settings["n"], new)
    return {**settings, "n": new, "baseline": baseline}


def _rescaled(value: Any, old: Mapping[str, int], new: Mapping[str, int]) -> Any:
    """Counts such as ``21 of 28`` carried over to arms of another size."""
    if not isinstance(value, Mapping) or not set(value) <= set(old):
        return value
    out = {}
    for arm, text in value.items():
        parts = str(text).split(" of ")
        if len(parts) != 2 or not all(part.strip().isdigit() for part in parts) or int(parts[1]) != old[arm]:
            return value
        out[arm] = f"{round(int(parts[0]) * new[arm] / old[arm])} of {new[arm]}"
    return out


def scaled_sizes(protocol: Protocol, settings: Settings, n: int) -> Settings:
    """The arms scaled in proportion to a total of ``n``, largest remainders first; every arm keeps somebody."""
    old: Mapping[str, int] = settings["n"]
    if n < len(protocol.arm_ids):
        found = f"Found {n}, and the trial has {len(protocol.arm_ids)} arms."
        raise DesignError(Problem("D006", "n", found, f"{len(protocol.arm_ids)} participants or more"))
    total = sum(old.values())
    exact = {arm: n * size / total for arm, size in old.items()}
    sizes = {arm: max(1, math.floor(value)) for arm, value in exact.items()}
    order: Sequence[str] = sorted(
        exact, key=lambda arm: (math.floor(exact[arm]) - exact[arm], protocol.arm_ids.index(arm))
    )
    for arm in order:
        if sum(sizes.values()) < n:
            sizes[arm] += 1
    while sum(sizes.values()) > n:
        sizes[max(sizes, key=lambda arm: sizes[arm])] -= 1
    return with_sizes(protocol, settings, sizes, "n")
