"""`equipoise export odm`: a protocol, its records or a running trial as a file of CDISC's ODM."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption, grouped
from equipoise.cli.trial_options import PharmacyOption, SafetyOption, passphrase_of
from equipoise.foundation.errors import Problem, RecordsError, UsageError

if TYPE_CHECKING:
    from equipoise.exchange.odm.export_file import OdmExport

CODES = {
    "U098": "An ODM file of a running trial needs a moment, an edition and an account; others have none of them.",
}
TRIAL_FILE = "trial.json"


@dataclass(frozen=True)
class OfTrial:
    """What a running trial needs besides."""

    at: Annotated[
        str | None, typer.Option("--at", help="Running trial: the moment, with its zone: 2027-06-30T12:00:00Z.")
    ] = None
    edition: Annotated[
        str | None, typer.Option("--edition", help="Running trial: blinded, sham (dummy arms) or unblinded.")
    ] = None
    account: Annotated[
        str | None, typer.Option("--as", envvar="EQUIPOISE_ACCOUNT", help="Running trial: the account that acts.")
    ] = None
    pharmacy: PharmacyOption = None
    safety: SafetyOption = None
    without_quarantined: Annotated[
        bool, typer.Option("--without-quarantined", help="Leave out quarantined values where they would be shown.")
    ] = False


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("odm")(grouped(export_odm))


def export_odm(
    protocol: Annotated[str, typer.Argument(metavar="P", help="A protocol, or the folder of a running trial.")],
    out: OutOption,
    of_trial: OfTrial,
    records: Annotated[
        Path | None, typer.Argument(metavar="[RECORDS]", help="A folder of records, a cut, or a running trial's.")
    ] = None,
    version: Annotated[str, typer.Option("--version", help="The version of ODM: 1.3.2 or 2.0.")] = "1.3.2",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write CDISC's ODM: events, forms, items and code lists of a protocol, and what was recorded.

    Records make a snapshot: a form for each table and instrument. A running trial makes a file of changes: its forms,
    each value with who recorded or corrected it, when and why, and signatures, in an edition as of `equipoise cut`.

    Example: `equipoise export odm my-trial.yaml records --version 2.0 --out as-odm`
    """
    from equipoise.exchange.odm.export_file import require_version
    from equipoise.exchange.output_folder import OutputFolder

    with reported(as_json=as_json):
        require_version(version)
        OutputFolder(out, kind="odm", force=force).require_free()
        trial = next((path for path in (records, Path(protocol)) if path is not None and _is_trial(path)), None)
        given = (of_trial.at, of_trial.edition, of_trial.account)
        if trial is None and (of_trial.at or of_trial.edition):
            found = "Moment and edition belong to a running trial, and this is none."
            hint = "Take a data cut first (equipoise cut), or name the folder of the trial."
            raise UsageError(Problem("U098", "--at", found, "the folder of a running trial", hint))
        if trial is not None and not all(given):
            found = "This is a running trial: its file is of a moment and an edition, taken by an account."
            raise UsageError(Problem("U098", "--at", found, "--at, --edition and --as", file=str(trial)))
        with working("exporting", quiet=as_json) as told:
            how = _How(version, force, told)
            simulated: bool | None
            if trial is not None:
                done, simulated = _write_trial(trial, protocol, out, of_trial, how)
            else:
                done, simulated = _write_records(protocol, records, out, how)
    _say(done, simulated, out, as_json=as_json)


@dataclass(frozen=True)
class _How:
    version: str
    force: bool
    told: Callable[[str], None]


def _is_trial(path: Path) -> bool:
    return (path / TRIAL_FILE).is_file()


def _write_records(protocol: str, records: Path | None, out: Path, how: _How) -> tuple[OdmExport, bool | None]:
    from equipoise.exchange.odm.export_file import export_odm as write
    from equipoise.exchange.records_files import read_records
    from equipoise.records.trial_facts import facts_of
    from equipoise.workflow.library import read_protocol

    chosen = read_protocol(protocol)
    data = read_records(records, facts=facts_of(chosen)) if records is not None else None
    done = write(chosen, data, out, version=how.version, force=how.force, told=how.told)
    return done, data.is_simulated if data is not None else None


def _write_trial(folder: Path, protocol: str, out: Path, of_trial: OfTrial, how: _How) -> tuple[OdmExport, bool]:
    from equipoise.conduct.actions.sign_in import sign_in
    from equipoise.conduct.cut.cut import CutKeys
    from equipoise.conduct.cut.odm import OdmAsked, take_odm
    from equipoise.conduct.trial.trial import Trial
    from equipoise.workflow.library import read_protocol

    trial = Trial.open(folder)
    if Path(protocol) != folder and (named := read_protocol(protocol).id) != trial.config.trial:
        found = f"The trial is of {trial.config.trial!r}, the protocol is {named!r}."
        raise RecordsError(Problem("R370", "P", found, f"the protocol {trial.config.trial}, or the folder alone"))
    account = of_trial.account or ""
    session = sign_in(trial, account, passphrase_of(account), device=platform.node())
    keys = CutKeys(of_trial.pharmacy, of_trial.safety, of_trial.without_quarantined)
    asked = OdmAsked(of_trial.at or "", of_trial.edition or "", how.version, keys, how.force)
    done = take_odm(trial, session, out, asked=asked, told=how.told)
    return done, trial.mode == "training"


def _say(done: OdmExport, simulated: bool | None, out: Path, *, as_json: bool) -> None:
    if as_json:
        said = {name: getattr(done, name) for name in ("file", "events", "forms", "items", "subjects", "values")}
        print_json({"ok": True, "out": str(out), "simulated": simulated, **said})
        return
    simulated_line(bool(simulated))
    console().print(f"{done.events} events, {done.forms} forms, {done.items} items", markup=False)
    if simulated is not None:
        console().print(f"{done.subjects:,} participants, {done.values:,} values", markup=False)
    console().print(f"ODM: {out}/{done.file}", markup=False)
