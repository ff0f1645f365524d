"""The verbs of the library; uses every room below and has no rules of its own.

A verb's module is loaded when the verb is first asked for: what reads a protocol only need not load the estimators.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise.workflow.checks import CheckReport, check_protocol
    from equipoise.workflow.library import bundled_protocols, read_protocol
    from equipoise.workflow.verbs import Run, analyse, import_records, report, run, simulate

_HOMES = {
    "CheckReport": "checks",
    "Run": "verbs",
    "analyse": "verbs",
    "bundled_protocols": "library",
    "check_protocol": "checks",
    "import_records": "verbs",
    "read_protocol": "library",
    "report": "verbs",
    "run": "verbs",
    "simulate": "verbs",
}

__all__ = [
    "CheckReport",
    "Run",
    "analyse",
    "bundled_protocols",
    "check_protocol",
    "import_records",
    "read_protocol",
    "report",
    "run",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
