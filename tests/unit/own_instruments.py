"""A small trial with instruments of its own, and library instruments written as a protocol would write them."""

from __future__ import annotations

from typing import Any

from equipoise.instruments import Instrument

TRIAL = """\
equipoise: 1
trial: {id: own, title: A trial with instruments of its own}
calendar: {day-1: randomization, epochs: {treatment: {days: 1..57}}}
interventions:
  pill: {type: other, words: a pill}
  none: {type: other, words: nothing}
arms:
  usual: {role: active-control, gives: [none]}
  active: {role: experimental, gives: [pill]}
eligibility: {include: null, exclude: null}
randomization: {ratio: {usual: 1, active: 1}}
baseline:
  sex: {type: category, levels: [female, male]}
assessments:
  mood: {type: instrument, instrument: MOOD}
instruments:
  bdi: {total: 0..63, better: lower}
  strain:
    items: 4
    range: 0..4
    reverse: [2]
    missing: {share-given: 0.75}
    bands: {low: 0..7, high: 8..16}
    thresholds: {case: {at-least: {female: 9, male: 11}, of: sex}}
    better: lower
schedule:
  entry: {day: 1, assess: [mood]}
  weekly: {days: [29, 57], assess: [mood]}
endpoints:
  mood: {kind: score, words: mood at each visit, assessment: mood, scale: SCALE, at: weekly, better: BETTER}
estimands:
  mood: {endpoint: mood, treatments: active v usual, summary: mean-difference}
analyses:
  mood: {estimand: mood, estimator: linear-mixed, level: primary, alpha-two-sided: 0.05}
"""


def trial(instrument: str = "bdi", scale: str = "total", better: str = "lower", own: str = "") -> str:
    """The protocol's text, asking for ``instrument``; ``own`` are further lines under `instruments`."""
    text = TRIAL.replace("MOOD", instrument).replace("SCALE", scale).replace("BETTER", better)
    return text.replace("instruments:\n", f"instruments:\n{own}")


def as_protocol_writes(entry: Instrument) -> dict[str, Any]:
    """A library instrument as an entry under `instruments`, by the published syntax and not by our converter."""
    rule = entry.missing_rule
    missing: dict[str, Any] | None = None
    if rule.left_out is not None:
        missing = {"at-most": rule.left_out}
    elif rule.share_needed < 1:
        missing = {"share-given": float(rule.share_needed)}
    items: dict[str, Any] = {}
    for item in entry.items:
        items[item.id] = (
            {"levels": list(item.levels)} if item.levels else {"range": f"{item.lowest:g}..{item.highest:g}"}
        )
        items[item.id]["reverse"] = item.is_reversed
    out: dict[str, Any] = {
        "items": items,
        "decimals": any(not item.whole_numbers for item in entry.items),
        "subscales": {scale: list(members) for scale, members in entry.subscales.items()},
        "adds-up": entry.has_total,
        "better": entry.better or "neither",
    }
    if missing is not None:
        out["missing"] = missing
    return out
