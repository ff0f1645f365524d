"""The verbs of the library; sees every room below and holds no rules of its own."""

from equipoise.workflow.checks import CheckReport, check_protocol
from equipoise.workflow.library import bundled_protocols, read_protocol
from equipoise.workflow.verbs import Run, analyse, import_records, report, run, simulate

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
