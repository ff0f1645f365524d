"""`equipoise import`: records from the files of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from equipoise.cli import import_datasets, import_odm, import_redcap, import_usdm
from equipoise.cli.console import console, print_json, print_notes, reported, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption
from equipoise.foundation.errors import Problem, UsageError, listed


class Sources(TyperGroup):
    """The sources of an import; one that is not there is a problem like any other."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of a source, or the problem (U002) that there is none."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            with reported(as_json="--json" in args):
                found = f"Nothing can be imported from {args[0]!r}."
                raise UsageError(Problem("U002", "SOURCE", found, listed(self.commands)))
        return super().resolve_command(ctx, args)


group = typer.Typer(
    cls=Sources,
    help="Read a trial's own files into records: a REDCap project, a file of CDISC's ODM, your own files by a mapping "
    "file, files of SPSS, Stata or SAS, or the harmonised tables of three opioid trials; or a USDM file "
    "into a protocol.\n\n"
    "Examples: `equipoise import redcap dictionary.csv data.csv --out my-trial` and "
    "`equipoise import table mapping.yaml --protocol trial.yaml --out records`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

HeldAgainst = Annotated[
    str | None,
    typer.Option("--protocol", metavar="PROTOCOL", help="Also make all checks that a run of this protocol would make."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    import_redcap.register(group)
    import_odm.register(group)
    import_datasets.register(group)
    import_usdm.register(group)
    app.add_typer(group, name="import")


@group.command()
def table(
    mapping: Annotated[Path, typer.Argument(metavar="MAPPING", help="The mapping file.")],
    out: OutOption,
    protocol: HeldAgainst = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read your own files (CSV, SPSS, Stata, SAS, Parquet), by a mapping file that says which column is which of ours.

    With `--protocol` the records are checked against that protocol, and nothing is written unless they fit.

    Example: `equipoise import table mapping.yaml --protocol trial.yaml --out records`
    """
    _import("table", mapping, out, protocol=protocol, force=force, as_json=as_json)


@group.command()
def ctn0094(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of tables.")],
    out: OutOption,
    protocol: HeldAgainst = None,
    project: Annotated[int | None, typer.Option("--project", help="The trial: 27, 30 or 51.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read the harmonised tables of three opioid trials (CTN-0094).

    With `--protocol` the records are checked against that protocol, and nothing is written unless they fit.

    Example: `equipoise import ctn0094 tables --project 51 --out xbot-records`
    """
    _import("ctn0094", folder, out, protocol=protocol, force=force, as_json=as_json, project=project)


def _register_folder(source: str, program: str) -> None:
    """Add the command that reads a folder of one statistics program's files."""

    def command(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of files.")],
        out: OutOption,
        protocol: HeldAgainst = None,
        force: ForceOption = False,
        as_json: JsonOption = False,
    ) -> None:
        _import(source, folder, out, protocol=protocol, force=force, as_json=as_json)

    command.__doc__ = (
        f"Read a folder of {program} files that `equipoise export` wrote, or whose files and columns are named as "
        f"records are.\n\nExample: `equipoise import {source} for-{program.split()[0].lower()} --out records`"
    )
    group.command(source)(command)


for _source, _program in {"spss": "SPSS", "stata": "Stata", "xpt": "SAS transport"}.items():
    _register_folder(_source, _program)


def _import(
    source: str,
    where: Path,
    out: Path,
    *,
    protocol: str | None,
    force: bool,
    as_json: bool,
    project: int | None = None,
) -> None:
    from equipoise.exchange.output_folder import OutputFolder
    from equipoise.exchange.records_files import write_records
    from equipoise.records.due_visits import find_due_visits
    from equipoise.workflow.library import read_protocol
    from equipoise.workflow.verbs import import_records

    with reported(as_json=as_json):
        OutputFolder(out, kind="records", force=force).require_free()
        with working("importing", quiet=as_json):
            chosen = read_protocol(protocol) if protocol is not None else None
            records = import_records(source, where, project=project, protocol=chosen)
            notes = find_due_visits(chosen, records).notes if chosen is not None else []
            write_records(records, out, force=force)
    counts = {name: frame.height for name, frame in records.tables.items() if frame.height}
    if as_json:
        print_json(
            {
                "ok": True,
                "out": str(out),
                "protocol": records.source.protocol,
                "data_hash": records.data_hash,
                "rows": counts,
                "notes": [{"code": note.code, "place": note.place, "found": note.found} for note in notes],
            }
        )
        return
    console().print(records.source.description)
    console().print(", ".join(f"{name} {n:,}" for name, n in counts.items()))
    print_notes(notes)
    if protocol is not None or records.source.protocol:
        from equipoise.workflow.library import bundled_protocols

        # A bundled protocol goes by its name; a user's own by its file, which the records do not know.
        named = records.source.protocol
        run = protocol or (named if named in bundled_protocols() else f"PROTOCOL.yaml (of {named})")
        console().print(f"Next: equipoise run {run} --records {out} --out DIR")
    console().print(f"Records: {out}")
