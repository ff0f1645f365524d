"""Parameters of the day-level model: daily use, visits, urine, calendar, craving, the six-month call.

A protocol names parameter sets under ``assumptions``; :func:`parameters_from_mapping` turns the ``parameters`` of one
set into a :class:`DayLevelParameters` and reports everything that is wrong with it at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from equipoise.simulation.reading import as_mapping, parameter, require_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLevelParameters:
    """How fictional participants use, come, are tested, report and crave.

    Symbols are those of the methods page ``day_level_model.md``; log-odds and logarithms are natural; a value "by arm"
    has an entry for every arm. Nothing here estimates the real world: the sets that come with the flagship are one
    possible world in which the published results would not surprise.

    ============================  ==========  =========================================================
    use_log_odds                  alpha       log-odds of use on a day, typical participant, none the day before
    use_poor_route                bR          added for the route of use with the poorer outlook
    poor_route_share              pR          share with that route (drawn, and where the route effect is centred)
    use_person_sd                 sb          standard deviation between participants
    use_yesterday                 gam         added on the day after a day of use
    use_first_days                hot         added on the first outpatient day, fading
    first_days_decay              3           days in which that fades to 1/e
    responder_share               pi          share who respond, by arm
    responder_effect              delta       log-odds of use subtracted for participants who respond
    responder_fading              fade        days in which that fades to 1/e; None: it lasts
    dropout_log_odds              d0          log-odds of being gone before a visit
    dropout_use                   dU          added with use since the previous planned visit
    dropout_arm                   dA          added, by arm
    dropout_early                 dE          added at the first ``n_early_visits`` visits
    missed_without_use, _with_use             probability that a participant who stays misses a visit (never the last)
    urine_sensitivity             sens        by days since the use, same day first
    urine_specificity             spec        of a urine with no use to detect
    under_reporting               u           probability that a day of use is not reported
    craving_log_level             k0          mean logarithm of craving without use, reference arm
    craving_arm                   kA          added, by arm
    craving_use                   kU          added for use on all of the last four days, in proportion
    craving_poor_route            kR          added for the poorer route
    craving_propensity            kz          added for a standard deviation of the propensity to use
    craving_person_sd, _visit_sd  ku, ke      standard deviations between participants and between visits
    craving_highest                           end of the line; marks are whole numbers from 0
    six_months_reached                        probability of being reached by telephone
    six_months_log_odds           m0          log-odds of reporting abstinence when reached
    six_months_arm                mA          added, by arm
    six_months_abstinent          mE          added for participants abstinent at the end of the study
    poor_route_counts                         how many have the poorer route by arm, where the scenario fixes it
    ============================  ==========  =========================================================
    """

    use_log_odds: float = parameter(
        "real", "log-odds of use on a day, for a typical participant who did not use the day before", symbol="alpha"
    )
    use_poor_route: float = parameter(
        "real", "added log-odds of use for the route with the poorer outlook", symbol="bR"
    )
    poor_route_share: float = parameter("probability", "share of participants with that route", symbol="pR")
    use_person_sd: float = parameter("spread", "standard deviation between participants, log-odds of use", symbol="sb")
    use_yesterday: float = parameter("real", "added log-odds of use on the day after a day of use", symbol="gam")
    use_first_days: float = parameter(
        "real", "added log-odds of use on the first outpatient day, fading afterwards", symbol="hot"
    )
    first_days_decay: float = parameter("positive", "days in which that fades to 1/e", 3.0)
    responder_share: Mapping[str, float] = parameter("shares-by-arm", "share of participants who respond", symbol="pi")
    responder_effect: float = parameter(
        "real", "log-odds of use subtracted for participants who respond", symbol="delta"
    )
    dropout_log_odds: float = parameter("real", "log-odds of being gone before a visit", symbol="d0")
    dropout_use: float = parameter("real", "added with any use since the previous planned visit", symbol="dU")
    dropout_arm: Mapping[str, float] = parameter("reals-by-arm", "added by arm", symbol="dA")
    dropout_early: float = parameter("real", "added at the early visits", symbol="dE")
    n_early_visits: int = parameter("count", "how many visits count as early", 2)
    missed_without_use: float = parameter(
        "share", "probability that a participant who stays misses a visit, without use", 0.04
    )
    missed_with_use: float = parameter("share", "the same, with use since the previous planned visit", 0.10)
    urine_sensitivity: tuple[float, ...] = parameter(
        "shares",
        "probability that use is detected, by days since: same day first",
        (0.98, 0.97, 0.90, 0.60),
        symbol="sens",
    )
    urine_specificity: float = parameter(
        "share", "probability that a urine with no use to detect is negative", 0.995, symbol="spec"
    )
    under_reporting: float = parameter("share", "probability that a day of use is not reported", symbol="u")
    craving_log_level: float = parameter(
        "real", "mean logarithm of craving without use, in the reference arm", symbol="k0"
    )
    craving_arm: Mapping[str, float] = parameter("reals-by-arm", "added to the logarithm by arm", symbol="kA")
    craving_use: float = parameter("real", "added for use on all of the last four days, in proportion", symbol="kU")
    craving_poor_route: float = parameter("real", "added for the route with the poorer outlook", symbol="kR")
    craving_propensity: float = parameter(
        "real", "added for a standard deviation of the propensity to use", symbol="kz"
    )
    craving_person_sd: float = parameter("spread", "standard deviation between participants, log craving", symbol="ku")
    craving_visit_sd: float = parameter("spread", "standard deviation between visits, log craving", symbol="ke")
    craving_highest: float = parameter("positive", "end of the line; marks are whole numbers from 0", 100.0)
    six_months_reached: float = parameter("share", "probability of being reached by telephone", 0.95)
    six_months_log_odds: float = parameter("real", "log-odds of reporting abstinence when reached", symbol="m0")
    six_months_arm: Mapping[str, float] = parameter("reals-by-arm", "added by arm", symbol="mA")
    six_months_abstinent: float = parameter(
        "real", "added for participants abstinent at the end of the study", symbol="mE"
    )
    responder_fading: float | None = parameter(
        "positive", "days in which the effect on responders fades to 1/e; absent: it lasts", None, symbol="fade"
    )
    poor_route_counts: Mapping[str, int] | None = parameter(
        "counts-by-arm", "how many have the poorer route, where the scenario fixes it; absent: drawn", None
    )

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, item.name, MappingProxyType(dict(value)))

    def as_mapping(self) -> dict[str, Any]:
        """The set as the protocol file writes it: kebab-case names, plain values, absent ones left out."""
        return as_mapping(self)


def parameters_from_mapping(
    mapping: Mapping[str, Any], arms: Sequence[str], *, arm_sizes: Mapping[str, int] | None = None
) -> DayLevelParameters:
    """Read the parameters of one set of assumptions; names may be kebab-case or snake_case.

    Raises :class:`~equipoise.foundation.errors.SimulationError` with every problem, as
    :func:`~equipoise.simulation.reading.read_parameters` lists them.
    """
    value: DayLevelParameters = require_parameters(DayLevelParameters, mapping, "parameters", arms, arm_sizes=arm_sizes)
    return value
