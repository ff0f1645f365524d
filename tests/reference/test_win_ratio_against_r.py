"""Win ratio, win odds and net benefit beside a program of its own in R (``win_ratio/win_ratio.R``)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from equipoise.stats.win_ratio import PairLevel, compare_pairs, net_benefit, win_odds, win_ratio

HERE = Path(__file__).parent / "win_ratio"


def read(name):
    with (HERE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(column):
    return np.array([float(row[column]) if row[column] else np.nan for row in read("win_ratio_data.csv")])


@pytest.mark.parametrize("analysis", ["all", "stratified"])
def test_every_number_of_r_is_met(analysis) -> None:
    levels = [
        PairLevel(numbers("time"), event=numbers("event") == 1),
        PairLevel(numbers("response")),
        PairLevel(-numbers("score"), margin=2.0),
    ]
    stratum = [int(row["stratum"] == "b") for row in read("win_ratio_data.csv")] if analysis == "stratified" else None
    pairs = compare_pairs(levels, numbers("arm") == 1, [0, numbers("arm").size], stratum=stratum)
    ratio, odds, net = win_ratio(pairs), win_odds(pairs), net_benefit(pairs)
    ours = {
        "win ratio": ratio.estimate,
        "SE log win ratio": ratio.standard_error,
        "lower": ratio.ci_lower,
        "upper": ratio.ci_upper,
        "net benefit": net.estimate,
        "SE net benefit": net.standard_error,
        "net lower": net.ci_lower,
        "net upper": net.ci_upper,
        "win odds": odds.estimate,
        "odds lower": odds.ci_lower,
        "odds upper": odds.ci_upper,
        "p of net benefit": net.p_value,
    }
    for k in range(3):
        ours |= {f"won at level {k + 1}": pairs.won[:, k], f"lost at level {k + 1}": pairs.lost[:, k]}
    theirs = {row["quantity"]: float(row["value"]) for row in read("win_ratio.csv") if row["analysis"] == analysis}
    assert len(theirs) >= 12
    for quantity, value in theirs.items():
        assert ours[quantity][0] == pytest.approx(value, rel=1e-9), quantity
