"""`equipoise export sdtm` and `equipoise export adam`: records as CDISC's datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import (
    ForceOption,
    JsonOption,
    OutOption,
    ProtocolArgument,
    RecordsArgument,
)

MappingOption = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="FILE",
        help="What only a person can say: sites, sex, drugs, codes.",
    ),
]
DatesOption = Annotated[
    Path | None,
    typer.Option(
        "--dates",
        metavar="FILE",
        help="Calendar dates of participants (equipoise cut --dates).",
    ),
]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("sdtm")(export_sdtm)
    group.command("adam")(export_adam)


def export_sdtm(
    protocol: ProtocolArgument,
    records: RecordsArgument,
    out: OutOption,
    mapping: MappingOption = None,
    dates: DatesOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write records as SDTM: Dataset-JSON 1.1, SAS transport files, Define-XML 2.1, and a list of what was left out.

    The folder holds a mapping file to fill in and to name with --mapping; without it there is the design of the trial
    alone. `not-exported.csv` says of every row of the records where it went, or why it did not.

    Example: `equipoise export sdtm my-trial.yaml records --mapping mapping.yaml --out sdtm`
    """
    with reported(as_json=as_json):
        from equipoise.exchange.output_folder import OutputFolder
        from equipoise.exchange.records_files import read_records
        from equipoise.workflow.cdisc import export_sdtm as write

        OutputFolder(out, kind="SDTMIG datasets", force=force).require_free()
        with working("exporting", quiet=as_json):
            data = read_records(records)
            done = write(protocol, data, out, mapping=mapping, dates=dates, force=force)
    _print(done, out, simulated=data.is_simulated, as_json=as_json)
    if not as_json and "DM" not in done.files:
        console().print(
            f"Next: fill in a copy of {out}/mapping-template.yaml and say --mapping FILE.",
            markup=False,
        )


def export_adam(
    protocol: ProtocolArgument,
    records: RecordsArgument,
    out: OutOption,
    mapping: MappingOption = None,
    dates: DatesOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write what the endpoints came to as ADaM: ADSL, ADTTE, ADQS, ADUSE and ADEFF, with Define-XML 2.1.

    It takes the mapping file of `equipoise export sdtm`. Of a data cut that shows no arms there is ADSL alone, without
    treatments.

    Example: `equipoise export adam my-trial.yaml records --mapping mapping.yaml --out adam`
    """
    with reported(as_json=as_json):
        from equipoise.exchange.output_folder import OutputFolder
        from equipoise.exchange.records_files import read_records
        from equipoise.workflow.cdisc import export_adam as write

        OutputFolder(out, kind="ADaMIG datasets", force=force).require_free()
        with working("exporting", quiet=as_json):
            data = read_records(records)
            done = write(protocol, data, out, mapping=mapping, dates=dates, force=force)
    _print(done, out, simulated=data.is_simulated, as_json=as_json)


def _print(done: Any, out: Path, *, simulated: bool, as_json: bool) -> None:
    left_out = [{"dataset": name, "reason": reason} for name, reason in done.account.left_out()]
    if as_json:
        said = {"datasets": done.rows, "files": done.files, "left_out": left_out}
        n = done.account.n_not_exported
        print_json(
            {
                "ok": True,
                "out": str(out),
                "simulated": simulated,
                **said,
                "rows_not_exported": n,
            }
        )
        return
    simulated_line(simulated)
    shown = console()
    shown.print(", ".join(f"{name} {n:,}" for name, n in done.rows.items()), markup=False)
    for one in left_out:
        shown.print(f"{one['dataset']} is left out: {one['reason']}", markup=False)
    n = done.account.n_not_exported
    if n:
        shown.print(
            f"Rows of records not exported: {n:,}. Each with its reason: {out}/not-exported.csv",
            markup=False,
        )
    shown.print(f"For people: {out}/define.html", markup=False)
    shown.print(f"Datasets: {out}", markup=False)
