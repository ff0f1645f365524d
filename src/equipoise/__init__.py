"""equipoise: a randomized trial in addiction medicine, from one protocol file to its report.

>>> import equipoise
>>> protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
>>> protocol.arm_ids
('midazolam', 'ketamine')

The verbs are :func:`read_protocol`, :func:`check_protocol`, :func:`simulate`, :func:`import_records`,
:func:`read_records`, :func:`export_records`, :func:`analyse`, :func:`report` and :func:`run`. They are loaded when
first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from equipoise.foundation.notebook import show_by

if TYPE_CHECKING:
    from equipoise.analysis.estimate import Estimate
    from equipoise.analysis.results import Results
    from equipoise.exchange.records_files import read_records, write_records
    from equipoise.foundation.errors import EquipoiseError, Problem
    from equipoise.protocol.language.protocol import Protocol
    from equipoise.records.records import Records
    from equipoise.workflow.cdisc import export_adam, export_sdtm
    from equipoise.workflow.checks import check_protocol
    from equipoise.workflow.export import export_records
    from equipoise.workflow.library import bundled_protocols, read_protocol
    from equipoise.workflow.verbs import analyse, import_records, report, run, simulate

_PLACES = {
    "Estimate": "equipoise.analysis.estimate",
    "EquipoiseError": "equipoise.foundation.errors",
    "Problem": "equipoise.foundation.errors",
    "Protocol": "equipoise.protocol.language.protocol",
    "Records": "equipoise.records.records",
    "Results": "equipoise.analysis.results",
    "analyse": "equipoise.workflow.verbs",
    "bundled_protocols": "equipoise.workflow.library",
    "check_protocol": "equipoise.workflow.checks",
    "export_adam": "equipoise.workflow.cdisc",
    "export_records": "equipoise.workflow.export",
    "export_sdtm": "equipoise.workflow.cdisc",
    "import_records": "equipoise.workflow.verbs",
    "read_protocol": "equipoise.workflow.library",
    "read_records": "equipoise.exchange.records_files",
    "report": "equipoise.workflow.verbs",
    "run": "equipoise.workflow.verbs",
    "simulate": "equipoise.workflow.verbs",
    "write_records": "equipoise.exchange.records_files",
}

__all__ = [
    "EquipoiseError",
    "Estimate",
    "Problem",
    "Protocol",
    "Records",
    "Results",
    "analyse",
    "bundled_protocols",
    "check_protocol",
    "export_adam",
    "export_records",
    "export_sdtm",
    "import_records",
    "read_protocol",
    "read_records",
    "report",
    "run",
    "simulate",
    "write_records",
]


show_by(lambda: import_module("equipoise.reporting.notebook").table_of)


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'equipoise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
