"""A browser for tests of the report's page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def a_browser() -> Iterator[Any]:
    """Chromium, of playwright or of the machine; the test is skipped where neither starts."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        for options in ({}, {"executable_path": "/usr/bin/chromium"}):
            try:
                browser = started.chromium.launch(**options)
            except playwright.Error:
                continue
            yield browser
            browser.close()
            return
        pytest.skip("no browser that can be started")
