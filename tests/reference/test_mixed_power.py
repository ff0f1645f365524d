"""Power of the logistic mixed model: two hundred of our own simulated trials refitted by lme4.

R 4 with lme4 (``mixed_power/versions.txt``), script ``mixed_power/refit.R``, trials ``mixed_power/trials.csv`` (from
``mixed_power/export_trials.py``), answers ``mixed_power/lme4.csv``: glmer, binomial, random intercept, 15 nodes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import special

from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.packing import offsets_from_sizes

HERE = Path(__file__).resolve().parent / "mixed_power"


@pytest.fixture(scope="module")
def fits():
    trials = pl.read_csv(HERE / "trials.csv")
    weeks = pl.read_csv(HERE / "weeks.csv")["week"].to_numpy()
    letters = np.array([list(word) for word in trials["word"]])
    seen = letters != "o"
    columns = [
        np.ones(letters.shape),
        np.repeat(trials["arm"].to_numpy()[:, None], letters.shape[1], axis=1),
        np.repeat(trials["route"].to_numpy()[:, None], letters.shape[1], axis=1),
        np.tile(weeks, (letters.shape[0], 1)),
    ]
    design = np.column_stack([column[seen].astype(np.float64) for column in columns])
    people = offsets_from_sizes(np.bincount(trials["trial"].to_numpy()))
    rows = offsets_from_sizes(seen.sum(axis=1))
    return fit_logistic_mixed((letters == "+")[seen].astype(np.float64), design, rows, people, nodes=15)


@pytest.fixture(scope="module")
def lme4():
    return pl.read_csv(HERE / "lme4.csv", schema_overrides={"said": pl.String})


def test_two_hundred_trials_are_fitted_as_lme4_fits_them(fits, lme4):
    assert lme4.height == 200
    ours, theirs = fits.coefficients[:, 1], lme4["estimate"].to_numpy()
    error = lme4["standard_error"].to_numpy()
    assert lme4["said"].fill_null("").to_list() == [""] * 200  # no fit with a warning
    # lme4 stops at a tolerance of its own: differences are counted in its standard errors (largest seen 0.0004).
    off = np.abs(ours - theirs) / error
    assert np.median(off) < 1e-4
    assert off.max() < 2e-3
    assert np.abs(fits.standard_errors[:, 1] / error - 1).max() < 2e-3
    # Where the two differ, ours is the higher maximum, up to the rounding of ten printed digits and of theirs.
    assert (fits.log_likelihood - lme4["log_likelihood"].to_numpy()).min() > -2e-5


def test_power_is_what_lme4_gives_on_the_same_trials(fits, lme4):
    z = fits.coefficients[:, 1] / fits.standard_errors[:, 1]
    ours = 2 * special.ndtr(-np.abs(z)) < 0.05
    theirs = lme4["p"].to_numpy() < 0.05
    assert (ours != theirs).sum() == 0
    assert ours.mean() == theirs.mean() == 0.74
