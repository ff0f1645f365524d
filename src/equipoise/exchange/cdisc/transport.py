"""SAS transport files (version 5) of CDISC's datasets, by the same writer as those of records."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from equipoise.exchange.cdisc.datasets import CdiscDataset
from equipoise.exchange.statistics_files.labelled import LabelledTable, Variable
from equipoise.exchange.statistics_files.names import shortened
from equipoise.exchange.statistics_files.packages import PACKAGES, Named, unholdable, write_package
from equipoise.foundation.errors import OutputError, raise_if_any


def as_labelled(dataset: CdiscDataset) -> LabelledTable:
    """A dataset as the table that writers of statistics files take."""
    variables = tuple(Variable(v.name, "text" if v.is_text else "number", v.label) for v in dataset.variables)
    return LabelledTable(dataset.name, shortened(dataset.label, 40, in_bytes=True), variables, dataset.frame)


def write_transport(dataset: CdiscDataset, path: Path, moment: datetime) -> None:
    """Write one dataset and read it again; raises :class:`OutputError` for a value that the format cannot hold."""
    package = replace(PACKAGES["xpt"], text=200)
    table = as_labelled(dataset)
    raise_if_any(OutputError, unholdable(table, package))
    names = {v.name: v.name for v in dataset.variables}
    raise_if_any(OutputError, write_package(Named(table, dataset.name, names), path, package, moment))
