"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real trials and outside reference answers that stands beside the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail("CI must run beside ../shared/data, which is not there")
        pytest.skip("needs ../shared/data (real trials and reference answers), which is not beside this checkout")
    return folder
