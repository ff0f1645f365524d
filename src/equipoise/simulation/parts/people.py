"""Who the participants of a trial of parts are: baseline variables as the protocol names them, and who was screened."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from equipoise.foundation.calendar import day_index
from equipoise.foundation.seeds import instance_of, uniforms
from equipoise.simulation.parts.course import DrawnTrials
from equipoise.simulation.parts.parameters import UsePart
from equipoise.simulation.parts.scenario import PartsScenario
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.quantities import share
from equipoise.simulation.streams import normal_grid, uniform_grid

DAYS_BEFORE = 30
SCREENED_OUT = 0.38  # share of those screened who are not randomized


def female_share(scenario: PartsScenario) -> float | None:
    """Share of women where sex is a baseline variable with that level; ``None`` where it is not."""
    variable = scenario.protocol.model.baseline.get("sex")
    if variable is None or "female" not in variable.levels:
        return None
    return shares_of_levels(scenario, "sex", list(variable.levels))[variable.levels.index("female")]


def shares_of_levels(scenario: PartsScenario, id: str, levels: list[str]) -> list[float]:
    """Shares of the levels of a baseline variable, what is not stated spread evenly over the rest."""
    stated = {level: share(value) or 0.0 for level, value in scenario.parts.baseline.get(id, {}).items()}
    rest = [level for level in levels if level not in stated]
    left = max(0.0, 1.0 - sum(stated.values()))
    return [stated.get(level, left / max(1, len(rest))) for level in levels]


def baseline_frame(course: DrawnTrials) -> pl.DataFrame:
    """Baseline variables of every row, by the names of the records."""
    scenario = course.scenario
    columns: dict[str, Any] = {}
    for id, variable in scenario.protocol.model.baseline.items():
        name = id.replace("-", "_")
        if variable.type == "number":
            values = _number(course, id)
            if values is not None:
                columns[name] = values
            continue
        levels = list(variable.levels) or ["no", "yes"]
        u = (
            course.uniform(Purpose.SEX)
            if id == "sex"
            else course.uniform(Purpose.COVARIATE, instance=instance_of("baseline", id))
        )
        order = list(range(len(levels)))
        if id == "sex" and "female" in levels:
            # Whoever draws low is a woman, as in the table of weights.
            order = [levels.index("female"), *[k for k in order if levels[k] != "female"]]
        shares = shares_of_levels(scenario, id, levels)
        edges = np.cumsum([shares[k] for k in order])
        chosen = np.array(order)[np.minimum(np.searchsorted(edges, u * edges[-1], side="right"), len(levels) - 1)]
        if variable.type == "yes-no":
            columns[name] = chosen.astype(np.int64)
        else:
            columns[name] = pl.Series(levels, dtype=pl.String).gather(chosen)
    return pl.DataFrame(columns)


def _number(course: DrawnTrials, id: str) -> NDArray[np.float64] | None:
    """A number of baseline: normal, cut to its bounds so that the *result* has the mean and SD stated."""
    given = course.scenario.parts.baseline.get(id)
    if given is None:
        return None
    mean, sd = float(given["mean"]), float(given["sd"])
    low, high = float(given.get("lowest", -np.inf)), float(given.get("highest", np.inf))
    centre, spread = parent_of(mean, sd, low, high)
    u = course.uniform(Purpose.COVARIATE, instance=instance_of("baseline", id))
    a, b = special.ndtr((low - centre) / spread), special.ndtr((high - centre) / spread)
    return np.asarray(np.clip(np.rint(centre + spread * special.ndtri(a + u * (b - a))), low, high))


def parent_of(mean: float, sd: float, low: float, high: float) -> tuple[float, float]:
    """Mean and SD of the normal that has this mean and SD once it is cut to ``low`` to ``high``."""
    if sd <= 0 or (np.isinf(low) and np.isinf(high)):
        return mean, max(sd, 1e-9)
    from scipy import optimize, stats  # take a second to load

    def gap(x: NDArray[np.float64]) -> list[float]:
        centre, spread = x[0], np.exp(x[1])
        cut = stats.truncnorm((low - centre) / spread, (high - centre) / spread, centre, spread)
        return [(cut.mean() - mean) / sd, (cut.std() - sd) / sd]

    found = optimize.root(gap, [mean, np.log(sd)])
    if not found.success:
        return mean, sd
    return float(found.x[0]), float(np.exp(found.x[1]))


def n_days_before(scenario: PartsScenario) -> int:
    """How many days before day 1 are asked about: thirty, or as many as the calendar of the protocol has."""
    return min(DAYS_BEFORE, max(0, -day_index(scenario.protocol.model.calendar.first_day)))


def days_before(course: DrawnTrials, substance: str, part: UsePart) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(N, D) use, and amounts where the part has any, on the days before day 1, the earliest first."""
    assert part.before is not None
    n, n_days, instance = course.scenario.n_participants, n_days_before(course.scenario), instance_of("use", substance)
    person = course.person("use", substance, part.severity)
    # The level is moved for the spread between participants, so that the stated share is that of all their days.
    level = special.ndtri(np.clip(part.before, 1e-6, 1 - 1e-6))
    spread = min(part.person_sd, 3.0) / 1.7
    days = np.arange(10_000, 10_000 + n_days)
    u = uniform_grid(course.seed, course.replicates, n, days, Purpose.USED, 1, instance).reshape(-1, n_days)
    used = u < special.ndtr(level * np.sqrt(1 + spread**2) + spread * person)[:, None]
    amounts = np.zeros(used.shape)
    if part.amount is not None:
        centre = np.log(part.amount) - (part.amount_person_sd**2 + part.amount_day_sd**2) / 2
        own = course.normal(Purpose.AMOUNT_PERSON, instance=instance)
        rho = part.amount_severity
        centre = centre + part.amount_person_sd * (rho * person + np.sqrt(1 - rho * rho) * own)
        grid = normal_grid(course.seed, course.replicates, n, days, Purpose.AMOUNT, 1, instance).reshape(-1, n_days)
        amounts = np.where(used, np.maximum(np.rint(np.exp(centre[:, None] + part.amount_day_sd * grid)), 1.0), 0.0)
    return used, amounts


def screened_only(course: DrawnTrials, replicate: int, u: NDArray[np.float64]) -> pl.DataFrame:
    """Before each participant a geometric number of people who were not randomized, by the protocol's own criteria.

    ``u`` is uniform, one for each participant, and says how many.
    """
    reasons = screening_reasons(course.scenario)
    counts = np.floor(np.log(u) / np.log(SCREENED_OUT)).astype(int)
    rows: list[dict[str, Any]] = []
    for i, count in enumerate(counts):
        for k in range(int(count)):
            draw = float(uniforms(course.seed, replicate, i, 0, Purpose.SCREENING_REASON, k))
            reason = reasons[min(int(draw * len(reasons)), len(reasons) - 1)]
            declined = reason == DECLINED
            rows.append(
                {
                    "participant_id": f"S{len(rows) + 1:03d}",
                    "consented": not declined,
                    "eligible": None if declined else False,
                    "ineligible_reason": reason,
                }
            )
    schema = {
        "participant_id": pl.String,
        "consented": pl.Boolean,
        "eligible": pl.Boolean,
        "ineligible_reason": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


DECLINED = "declined to take part"


def screening_reasons(scenario: PartsScenario) -> list[str]:
    """Why somebody screened is not randomized: declined, or one of the criteria that the protocol states."""
    eligibility = scenario.protocol.model.eligibility
    names = [f"not met: {id.replace('-', ' ')}" for id in (eligibility.include or {})]
    names += [f"excluded: {id.replace('-', ' ')}" for id in (eligibility.exclude or {})]
    return [DECLINED, *(names or ["not eligible"])]
