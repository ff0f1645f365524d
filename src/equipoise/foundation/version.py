"""Which version of the program and of what its numbers may depend on is at work."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def program_version() -> str:
    """Version of equipoise."""
    try:
        return version("equipoise")
    except PackageNotFoundError:
        return "unknown"


def program_versions() -> dict[str, str]:
    """Versions of what a number may depend on."""
    out = {"python": platform.python_version()}
    for name in ("numpy", "scipy", "numba", "polars"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out
