"""Every row of the shared reference answers that ``benchmarks/method_families`` answers, within its tolerance."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from method_families.base import families, hold

METHODS = Path(__file__).parents[3] / "shared" / "data" / "methods"

pytestmark = pytest.mark.skipif(not METHODS.exists(), reason="the shared data folder is not beside the checkout")


@pytest.mark.parametrize("name", sorted(families()))
def test_every_row_is_met_or_has_its_reason(name: str) -> None:
    held = hold(METHODS / name, families()[name])
    assert not held.missed
    assert not held.unanswered
    assert held.n > 10
