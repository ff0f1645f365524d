"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProtocolArgument = Annotated[
    str, typer.Argument(metavar="P", help="A bundled protocol's name, or the path of a protocol file.")
]
RecordsArgument = Annotated[Path, typer.Argument(metavar="RECORDS", help="A folder of records.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder to make; it is there whole or not at all.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what equipoise wrote there before.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the simulation, 0 to 4294967295.")]
ScenarioOption = Annotated[
    str | None, typer.Option("--scenario", help="A named set of the protocol's assumptions; by default the first.")
]
PdfOption = Annotated[bool, typer.Option("--pdf/--no-pdf", help="Also write report.pdf.")]
