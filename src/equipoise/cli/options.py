"""Arguments and options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

ProtocolArgument = Annotated[
    str, typer.Argument(metavar="P", help="A bundled protocol's name, or the path of a protocol file.")
]
RecordsArgument = Annotated[Path, typer.Argument(metavar="RECORDS", help="A folder of records.")]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", help="Folder to create. It is written completely or not at all.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an earlier equipoise folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the simulation, 0 to 4294967295.")]
ScenarioOption = Annotated[
    str | None, typer.Option("--scenario", help="A named set of the protocol's assumptions; by default the first.")
]
LooksOption = Annotated[
    Path | None, typer.Option("--looks", help="Folder of the interim looks that were taken (`equipoise interim`).")
]
PdfOption = Annotated[bool, typer.Option("--pdf/--no-pdf", help="Also write report.pdf.")]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A command one of whose parameters is a dataclass of options: each of its fields becomes an option of its own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in groups:
            parameters.append(parameter.replace(annotation=hints[name]))
            continue
        inner = get_type_hints(groups[name], include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=inner[field.name]
            )
            for field in fields(groups[name])
        ]
    parameters.sort(key=lambda one: one.kind)

    @wraps(command)
    def act(**given: Any) -> None:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in groups.items()
        }
        command(**given, **made)

    act.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    act.__annotations__ = {one.name: one.annotation for one in parameters}
    del act.__wrapped__
    return act
