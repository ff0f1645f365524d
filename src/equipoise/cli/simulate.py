"""`equipoise simulate`: records of fictional participants."""

from __future__ import annotations

from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption, ProtocolArgument, ScenarioOption, SeedOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(
    protocol: ProtocolArgument,
    out: OutOption,
    seed: SeedOption,
    scenario: ScenarioOption = None,
    replicate: Annotated[int, typer.Option("--replicate", help="Number of the replicate of this seed.")] = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate one trial from the protocol's own assumptions and write its records.

    Example: `equipoise simulate ketamine-mbrp-cocaine --seed 7 --out records`
    """
    from equipoise.exchange.output_folder import OutputFolder
    from equipoise.exchange.records_files import write_records
    from equipoise.workflow.verbs import simulate as simulate_records

    with reported(as_json=as_json):
        OutputFolder(out, kind="records", force=force).require_free()
        with working("simulating", quiet=as_json):
            records = simulate_records(protocol, seed=seed, scenario=scenario, replicate=replicate)
            write_records(records, out, force=force)
    counts = {name: frame.height for name, frame in records.tables.items() if frame.height}
    if as_json:
        print_json({"ok": True, "out": str(out), "simulated": True, "data_hash": records.data_hash, "rows": counts})
        return
    simulated_line(True)
    console().print(", ".join(f"{name} {n:,}" for name, n in counts.items()))
    console().print(f"Records: {out}")
