"""`equipoise export`: records as files of SPSS, Stata, SAS, R and others."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from equipoise.cli import export_cdisc, export_odm, export_redcap, export_usdm
from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption, RecordsArgument


class Targets(TyperGroup):
    """What an export is for; without one of these words first it is for a statistics package."""

    def filled_in(self, args: list[str]) -> list[str]:
        """The words of a command, with that for statistics packages where none is said."""
        is_said = not args or args[0] in (*self.commands, "-h", "--help")
        return list(args) if is_said else [PACKAGES, *args]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words once they are filled in."""
        return super().parse_args(ctx, self.filled_in(args))


group = typer.Typer(
    cls=Targets,
    help="Write records as files of SPSS, Stata, SAS, R and others, or a protocol and its records as a REDCap "
    "project, a file of CDISC's ODM, CDISC's SDTM and ADaM, or a protocol as a USDM file.\n\n"
    "Examples: `equipoise export records --to spss --out for-spss`, "
    "`equipoise export redcap my-trial.yaml records --out for-redcap` and "
    "`equipoise export odm my-trial.yaml records --out as-odm`. "
    "`equipoise export packages --help` explains the former.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
PACKAGES = "packages"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group.command(PACKAGES)(export)
    export_redcap.register(group)
    export_odm.register(group)
    export_cdisc.register(group)
    export_usdm.register(group)
    app.add_typer(group, name="export")


def export(
    records: RecordsArgument,
    to: Annotated[str, typer.Option("--to", help="spss, stata, xpt (SAS), rds (R), parquet or csv.")],
    out: OutOption,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol", metavar="P", help="Label arms and baseline as P does, and add a table of its endpoints."
        ),
    ] = None,
    reasons_missing: Annotated[
        bool,
        typer.Option(
            "--reasons-as-missing", help="SPSS, Stata: missed and unusable samples are missing values, with why."
        ),
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write records as labelled files for a statistics package, with a codebook.

    One file a table. `codebook.html` explains every variable, `names.csv` lists those that had to be renamed, and
    `not-carried.csv` what the format cannot hold. Every file is read again and compared before the folder is there.

    Example: `equipoise export records --to spss --protocol trial.yaml --out for-spss`
    """
    with reported(as_json=as_json):
        from equipoise.exchange.output_folder import OutputFolder
        from equipoise.exchange.records_files import read_records
        from equipoise.workflow.export import export_records

        OutputFolder(out, kind="export", force=force).require_free()
        with working("exporting", quiet=as_json) as told:
            data = read_records(records)
            done = export_records(
                data, out, to=to, protocol=protocol, reasons_missing=reasons_missing, force=force, told=told
            )
    if as_json:
        print_json(
            {
                "ok": True,
                "out": str(out),
                "simulated": data.is_simulated,
                "files": done.files,
                "not_carried": done.not_carried,
            }
        )
        return
    simulated_line(data.is_simulated)
    console().print(", ".join(done.files.values()))
    if done.not_carried:
        n = len(done.not_carried)
        things = "One thing" if n == 1 else f"{n} things"
        console().print(f"{things} that the format cannot hold: {out}/not-carried.csv", markup=False)
    console().print(f"Codebook: {out}/codebook.html", markup=False)
