"""Dataset-JSON 1.1: CDISC's datasets as JSON, written strictly by its schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from equipoise.exchange.cdisc.datasets import CdiscDataset, DatasetVariable
from equipoise.foundation.version import program_version

VERSION = "1.1.0"
# What Dataset-JSON calls the types of Define-XML.
_TYPES = {
    "text": "string",
    "integer": "integer",
    "float": "double",
    "date": "date",
    "datetime": "datetime",
    "duration": "string",
}


@dataclass(frozen=True, slots=True)
class FileHead:
    """What heads of files and Define-XML share: study, version of metadata, moment, who made it."""

    study: str
    metadata: str
    moment: str  # ISO 8601 with zone: that of the data cut, else the first of 1970
    originator: str
    standard: str  # SDTMIG or ADaMIG
    version: str
    title: str
    is_simulated: bool
    prefix: str = ""  # of file names

    def file(self, dataset: str, ending: str) -> str:
        """Name of a dataset's file."""
        return f"{self.prefix}{dataset.lower()}{ending}"


def item_id(dataset: str, variable: str) -> str:
    """Identifier of a variable, the same in Define-XML."""
    return f"IT.{dataset}.{variable}"


def length_of(variable: DatasetVariable, series: pl.Series) -> int | None:
    """Bytes of the longest text of a variable, 1 where there is none; nothing for numbers."""
    if not variable.is_text:
        return None
    longest = series.str.len_bytes().max() if series.len() else 0
    return max(1, int(longest or 0))  # type: ignore[arg-type]


def dataset_json(dataset: CdiscDataset, head: FileHead) -> str:
    """The text of a Dataset-JSON file; missing values are null."""
    columns = []
    for variable in dataset.variables:
        column: dict[str, Any] = {
            "itemOID": item_id(dataset.name, variable.name),
            "name": variable.name,
            "label": variable.label,
            "dataType": _TYPES[variable.type],
        }
        length = length_of(variable, dataset.frame[variable.name])
        if length is not None and variable.type not in ("date", "datetime"):
            column["length"] = length
        if variable.name in dataset.keys:
            column["keySequence"] = dataset.keys.index(variable.name) + 1
        columns.append(column)
    said = {
        "datasetJSONCreationDateTime": head.moment,
        "datasetJSONVersion": VERSION,
        "fileOID": f"{head.study}.{dataset.name}",
        "dbLastModifiedDateTime": head.moment,
        "originator": head.originator,
        "sourceSystem": {"name": "equipoise", "version": program_version()},
        "studyOID": head.study,
        "metaDataVersionOID": head.metadata,
        "metaDataRef": "define.xml",
        "itemGroupOID": f"IG.{dataset.name}",
        "records": dataset.frame.height,
        "name": dataset.name,
        "label": dataset.label,
        "columns": columns,
    }
    whole = [v.name for v in dataset.variables if v.type == "integer"]
    frame = dataset.frame.with_columns(pl.col(name).cast(pl.Int64) for name in whole)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in frame.iter_rows())
    text = json.dumps(said, ensure_ascii=False, indent=1)
    return f'{text[:-2]},\n "rows": [\n{rows}\n ]\n}}\n'


def write_dataset_json(dataset: CdiscDataset, path: Path, head: FileHead) -> None:
    """Write one dataset."""
    path.write_text(dataset_json(dataset, head), "utf-8", newline="\n")
