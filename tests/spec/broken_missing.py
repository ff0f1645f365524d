"""Edits that break the fictional protocol in its rules for missing data, its strategies, and its formulas."""

from __future__ import annotations

from broken_edits import Edit

_CRAVING = "    estimator: linear-mixed\n    level: secondary\n"
_ABSTINENCE = "    if-separated: firth\n"
_PATTERN = """\
  pattern:
    kind: pattern
    words: weeks without cocaine
    use: cocaine
    cells: weeks
    days: 3..30
"""


def _craving(more: str, says: str, at: str = "") -> Edit:
    return Edit(_CRAVING, _CRAVING + more, "P035", says, at or more)


def _abstinence(more: str, says: str, at: str = "") -> Edit:
    return Edit(_ABSTINENCE, _ABSTINENCE + more, "P035", says, at or more)


def _strategy(old: str, new: str, says: str, after: str = "") -> Edit:
    return Edit(old, new, "P036", says, new.splitlines()[-1] + after)


def _formula(lines: str, code: str, says: str, at: str) -> Edit:
    """An endpoint over the four weeks of days 3 to 30."""
    return Edit("  told:\n", f"{_PATTERN}{lines}  told:\n", code, says, at)


MISSING = [
    # P035: rules that contradict each other, or that the endpoint or estimator cannot take.
    _craving("    missed: best-case\n", "best-case says nothing of craving, an endpoint of kind score"),
    _craving("    vary: {missed: [is-missing, worst-case]}\n", "worst-case says nothing of craving"),
    _abstinence("    missed: is-no-use\n    imputation: {sets: 5}\n", "A missing rule stands beside imputation"),
    _abstinence("    tipping-point: {arm: active, up-to: 2}\n", "nothing is imputed"),
    _abstinence("    imputation: {delta: {nobody: 1}}\n", "nobody is not compared in this analysis"),
    _abstinence(
        "    imputation: {after-dropout: copy-reference, model: pooled}\n",
        "copy-reference of yes-or-no results goes by",
    ),
    _abstinence("    imputation: {variance: jackknife}\n", "The jackknife is for scores by linear"),
    _abstinence("    imputation: {sets: 5}\n    tipping-point: {arm: nobody, up-to: 2}\n", "nobody is not", "tipping"),
    _abstinence("    imputation: {sets: 5}\n    tipping-point: {arm: active, up-to: 0}\n", "its range is", "tipping"),
    _abstinence(
        "    imputation: {delta: {active: 1}}\n    tipping-point: {arm: active, up-to: 2}\n", "already given", "tipping"
    ),
    _craving("    imputation: {model: latent-normal}\n", "latent-normal is a model of yes-or-no results"),
    _craving("    imputation: {variance: jackknife}\n", "The jackknife is for scores by linear"),
    _craving("    imputation: {resamples: 100}\n", "Nothing is drawn again: the variance is rubin"),
    _craving("    imputation: {variance: bootstrap}\n    tipping-point: {arm: active, up-to: 2}\n", "by Rubin's rules"),
    Edit(
        "    estimator: logistic\n    covariates: [severity]\n",
        "    estimator: fisher-exact\n    imputation: {sets: 5}\n",
        "P035",
        "cannot be pooled by Rubin's rules",
        "    imputation: {sets: 5}",
    ),
    Edit(
        "    ties: efron\n",
        "    ties: efron\n    missed: last-observation\n    imputation: {sets: 5}\n",
        "P035",
        "A missing rule stands beside imputation",
        "    missed: last-observation",
    ),
    # P036: strategies that the endpoint does not carry out.
    _strategy(
        "    summary: ratio-of-means\n",
        "    summary: ratio-of-means\n    intercurrent: {dropout: composite}\n",
        "craving does not count it as an outcome",
        "\n\nanalyses",
    ),
    _strategy(
        "    intercurrent: {dropout: composite}\n",
        "    intercurrent: {death: hypothetical}\n",
        "hypothetical would leave out results after death",
    ),
    _strategy(
        "    summary: hazard-ratio\n",
        "    summary: hazard-ratio\n    intercurrent: {unblinding: composite}\n",
        "unblinding is composite, but relapse does not count it",
    ),
    # P060 to P064: formulas.
    _formula(
        "    formula: {steps: [{window: {from: 2, to: 6}}], count: {cells: '-'}}\n", "P060", "place 6", "    formula"
    ),
    _formula("    formula: {longest-run: {cells: '-'}, at-least: 9}\n", "P060", "9", "    formula"),
    _formula(
        "    formula:\n      steps: [{missing: is-use}]\n      count: {cells: 'o'}\n",
        "P061",
        "The letter o is asked for",
        "      count",
    ),
    _formula("    formula:\n      time-to: {cells: '+'}\n      at-least: 2\n", "P062", "time", "      at-least: 2"),
    _formula("    formula: {on: days, count: {cells: '-'}}\n", "P064", "days", "    formula"),
    Edit(
        "  told:\n",
        _PATTERN.replace("3..30", "3..29") + "    formula: {count: {cells: '-'}}\n  told:\n",
        "P060",
        "weeks are tiled whole",
        "    days: 3..29",
    ),
    # A visit that is not one of the series.
    Edit(
        _CRAVING,
        "    estimator: linear\n    visit: clinic-9\n    level: secondary\n",
        "P020",
        "clinic-9",
        "    visit: clinic-9",
    ),
]
