"""What several tests of reports look at."""

from __future__ import annotations

import pytest

import equipoise
from equipoise.reporting.context import Material


@pytest.fixture(scope="session")
def material() -> Material:
    """The flagship simulated and analysed: the same trial for all who ask."""
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    records = equipoise.simulate(protocol, seed=20190624)
    return Material(protocol, records, equipoise.analyse(protocol, records))
