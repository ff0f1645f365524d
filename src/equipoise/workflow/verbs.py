"""The verbs of the library: simulate, import, analyse, report, run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from equipoise.analysis.analyse import analyse_records, check_plan
from equipoise.analysis.results import Results
from equipoise.exchange.bundled import bundled_records
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.own_tables.convert import import_table
from equipoise.exchange.records_files import read_records, write_records
from equipoise.exchange.results_files import write_results
from equipoise.exchange.statistics_files.bring_in import import_export
from equipoise.exchange.statistics_files.packages import PACKAGES
from equipoise.foundation.errors import AnalysisError, Problem, RecordsError, UsageError, listed, raise_if_any
from equipoise.foundation.version import program_version, program_versions
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.records.check import check_records
from equipoise.records.due_visits import find_due_visits
from equipoise.records.trial_facts import facts_of
from equipoise.workflow.library import read_protocol

CODES = {
    "U001": "A run was given both records and a seed, or neither.",
    "U002": "The source cannot be imported.",
    "U003": "The folder of the looks does not exist.",
    "R070": "The records are from another trial.",
}

Progress = Callable[[str], None]
DEFAULT_SEED = 1


def _as_protocol(protocol: Protocol | str | Path) -> Protocol:
    return protocol if isinstance(protocol, Protocol) else read_protocol(protocol)


def simulate(protocol: Protocol | str | Path, *, seed: int, scenario: str | None = None, replicate: int = 0) -> Records:
    """Records of fictional participants, simulated under one of the protocol's sets of assumptions.

    Without ``scenario`` it is the first set.

    The same protocol, scenario, seed and replicate give the same records on every computer. Raises
    :class:`~equipoise.foundation.errors.SimulationError` if the protocol assumes too little to simulate from.

    >>> fictional = equipoise.simulate("kare", seed=7)
    >>> fictional.is_simulated, fictional["allocations"].height
    (True, 96)
    """
    from equipoise.simulation.simulate import simulate as simulate_records

    return simulate_records(_as_protocol(protocol), seed=seed, scenario=scenario, replicates=[replicate])


def import_records(
    source: str, where: str | Path, *, project: int | None = None, protocol: Protocol | None = None
) -> Records:
    """Records from other files: ``ctn0094`` (a folder and a project) or ``table`` (a mapping file).

    With a protocol, everything that a run of it would refuse is raised, with the lines of your own files.

    >>> from equipoise.exchange.bundled import bundled_records
    >>> records = equipoise.import_records("table", bundled_records("smoking-cessation"))
    >>> records
    <Records of smoking-cessation, imported: participants 125, allocations 125, daily_use 9,805>
    """
    if source == "ctn0094":
        from equipoise.exchange.ctn0094.read import import_ctn0094

        if project is None:
            raise UsageError(
                Problem(
                    "U002",
                    "--project",
                    "The import of CTN-0094 needs to know the trial.",
                    "27, 30 or 51",
                    "Add --project 51.",
                )
            )
        records = import_ctn0094(where, project=project)
        if protocol is not None:
            require_analysable(protocol, records)
        return records
    if source == "table":
        if protocol is None:
            return import_table(where)
        records = import_table(where, protocol_hash=protocol.hash, facts=facts_of(protocol))
        require_analysable(protocol, records)
        return records
    if source in PACKAGES:
        records = import_export(where, to=source)
        if protocol is not None:
            require_analysable(protocol, records)
        return records
    known = listed(["ctn0094", "table", *PACKAGES])
    raise UsageError(Problem("U002", "SOURCE", f"Nothing can be imported from {source!r}.", known))


def require_records(protocol: Protocol, records: Records) -> None:
    """Raise every contradiction between records and protocol: arms, days, visits, substances, units."""
    if records.source.protocol and records.source.protocol != protocol.id:
        # whatever else does not fit has this one cause
        found = f"The records are of {records.source.protocol!r}, the protocol is {protocol.id!r}."
        hint = f"Say {records.source.protocol} for the protocol, or name a folder of records of {protocol.id}."
        raise RecordsError(Problem("R070", "records.json", found, f"records of {protocol.id}", hint))
    problems: list[Problem] = []
    problems += check_records(records, facts_of(protocol))
    problems += find_due_visits(protocol, records).problems
    if problems:
        raise RecordsError(problems)


def require_analysable(protocol: Protocol, records: Records) -> None:
    """Raise everything for which a plan could not be carried out on records; nothing is fitted."""
    require_records(protocol, records)
    raise_if_any(AnalysisError, check_plan(protocol, records))


def analyse(
    protocol: Protocol | str | Path,
    records: Records | str | Path,
    *,
    looks: str | Path | None = None,
    progress: Progress | None = None,
) -> Results:
    """Carry out the protocol's analysis plan on the records of one trial.

    Records are checked against the protocol first; all contradictions are raised together. ``looks`` is the folder of
    the interim looks that were taken, for which the answer then allows.

    >>> results = equipoise.analyse("smoking-cessation", records)
    >>> results
    <Results of smoking-cessation (imported): 18 estimates>
    >>> results["relapse"]
    <Estimate relapse: hazard_ratio 0.5461 (0.3575 to 0.834), p = 0.0051, triple v patch, n = 125, event-at-entry>
    """
    chosen = _as_protocol(protocol)
    data = records if isinstance(records, Records) else read_records(records, facts=facts_of(chosen))
    require_records(chosen, data)
    results = analyse_records(chosen, data, version=program_version(), versions=program_versions(), progress=progress)
    return _after_looks(chosen, results, looks)


def _after_looks(protocol: Protocol, results: Results, folder: str | Path | None) -> Results:
    """Results that allow for the looks of a folder; with a plan of looks and no folder, a note that says so."""
    if folder is None:
        if protocol.model.looks is None:
            return results
        from equipoise.analysis.after_looks import not_given

        notes = (*results.provenance.notes, not_given(protocol))
        return replace(results, provenance=replace(results.provenance, notes=notes))
    from equipoise.analysis.after_looks import allow_for_looks
    from equipoise.analysis.interim import looks_of
    from equipoise.exchange.looks_folder import LooksFolder

    planned = looks_of(protocol)
    if not Path(folder).is_dir():
        hint = "Leave --looks out where no look was taken, or name the folder given to `equipoise interim --out`."
        raise UsageError(Problem("U003", "--looks", f"There is no folder {folder}.", "the folder of the looks", hint))
    kept = LooksFolder(folder).read(protocol, planned)
    return allow_for_looks(protocol, planned, [one.look for one in kept], [one.hash for one in kept], results)


def report(protocol: Protocol | str | Path, records: Records | str | Path, results: Results | None = None) -> Any:
    """The report of a trial as a document, which can be rendered to HTML and PDF.

    Without ``results`` the plan is carried out first.

    >>> document = equipoise.report("smoking-cessation", records, results)
    >>> document.title
    'Triple-combination pharmacotherapy versus nicotine patch alone for smoking cessation'
    >>> document.to_html().startswith("<!doctype html>")
    True
    """
    from equipoise.reporting.trial_report import build_report

    chosen = _as_protocol(protocol)
    data = records if isinstance(records, Records) else read_records(records, facts=facts_of(chosen))
    return build_report(chosen, data, results if results is not None else analyse(chosen, data))


@dataclass(frozen=True)
class Run:
    """What a run made, and where it was written."""

    protocol: Protocol
    records: Records
    results: Results
    folder: Path
    files: tuple[Path, ...]

    def __repr__(self) -> str:
        return f"<Run of {self.protocol.id}: {len(self.results.estimates)} estimates in {self.folder}>"


def get_records(
    protocol: Protocol, *, records: Records | str | Path | None, seed: int | None, scenario: str | None
) -> Records:
    """The records of a run: those given, those that come with the protocol, or simulated ones."""
    if records is not None and seed is not None:
        raise UsageError(
            Problem(
                "U001", "--seed", "A seed was given beside records.", "either --records or --seed", "Leave one out."
            )
        )
    if records is not None:
        return records if isinstance(records, Records) else read_records(records, facts=facts_of(protocol))
    bundled = bundled_records(protocol.id) if seed is None and scenario is None else None
    if bundled is not None:
        return import_table(bundled, protocol_hash=protocol.hash)
    if not protocol.model.assumptions and seed is None:
        raise UsageError(
            Problem(
                "U001",
                "--records",
                f"The protocol {protocol.id} comes with no records, and states no assumptions to simulate from.",
                "--records DIR",
                "Import the trial's files first: `equipoise import --help`.",
            )
        )
    return simulate(protocol, seed=DEFAULT_SEED if seed is None else seed, scenario=scenario)


def write_outputs(
    folder: Path,
    protocol: Protocol,
    records: Records,
    results: Results,
    *,
    with_records: bool,
    document: Any = None,
    pdf: bool = True,
) -> tuple[Path, ...]:
    """Write results, report and records into a folder that is being made; the paths of what was written."""
    from equipoise.reporting.context import Material
    from equipoise.reporting.docx_file import render_docx
    from equipoise.reporting.figure_files import png_files, write_figures
    from equipoise.reporting.reporting_event import ars_json
    from equipoise.reporting.rtf import write_tables
    from equipoise.reporting.statistics import ard_csv, report_value
    from equipoise.reporting.trial_report import build_report

    material = Material(protocol, records, results)
    told = document if document is not None else build_report(protocol, records, results)
    with ExitStack() as stack:
        paper = pictures = None
        if document is not None:
            # Typesetting needs no interpreter: the other files are written meanwhile.
            pool = stack.enter_context(ThreadPoolExecutor(2))
            pictures = pool.submit(png_files, document)
            if pdf:
                from equipoise.reporting.pdf import render_pdf

                paper = pool.submit(render_pdf, document)
        more = report_value(material, told)
        written = list(write_results(results.estimates, results.provenance.as_dict(), folder, more))
        written.append(folder / "ard.csv")
        written[-1].write_text(ard_csv(material, told), "utf-8", newline="\n")
        written.append(folder / "ars.json")
        written[-1].write_text(ars_json(material), "utf-8", newline="\n")
        (folder / "protocol.yaml").write_text(protocol.text, "utf-8", newline="\n")
        written.append(folder / "protocol.yaml")
        if document is not None:
            from equipoise.reporting.html import render_html

            written.append(folder / "report.html")
            written[-1].write_text(render_html(document), "utf-8", newline="\n")
        if with_records:
            write_records(records, folder / "records")
        if document is not None and pictures is not None:
            drawn = pictures.result()
            written += write_figures(document, folder, drawn)
            written += write_tables(document, folder)
            written.append(folder / "report.docx")
            written[-1].write_bytes(render_docx(document, drawn))
        if paper is not None:
            written.append(folder / "report.pdf")
            written[-1].write_bytes(paper.result())
        if with_records:
            written.append(folder / "records")
    return tuple(written)


def run(
    protocol: Protocol | str | Path,
    *,
    out: str | Path,
    records: Records | str | Path | None = None,
    seed: int | None = None,
    scenario: str | None = None,
    looks: str | Path | None = None,
    force: bool = False,
    pdf: bool = True,
    with_report: bool = True,
    progress: Progress | None = None,
) -> Run:
    """From protocol to report in one call: get records, analyse them, write results and report.

    ``records`` are those of a trial. Without them the records shipped with a bundled protocol are used, or participants
    are simulated from ``seed``. ``looks`` is the folder of the interim looks taken before. The folder ``out`` is
    written completely or not at all. If it is made from a data cut of a running trial, only the account that runs this
    can read it.

    >>> done = equipoise.run("smoking-cessation", out="smoking", with_report=False)
    >>> done
    <Run of smoking-cessation: 18 estimates in smoking>
    >>> (done.folder / "results.csv").exists()
    True
    """
    say = progress or (lambda what: None)
    folder = OutputFolder(out, kind="results", force=force)
    folder.require_free()
    chosen = _as_protocol(protocol)
    say("records")
    data = get_records(chosen, records=records, seed=seed, scenario=scenario)
    folder.private = data.source.is_private
    results = analyse(chosen, data, looks=looks, progress=lambda id: say(f"analysis {id}"))
    document = None
    if with_report:
        say("report")
        document = report(chosen, data, results)
    with folder as partial:
        say("files")
        files = write_outputs(
            Path(partial), chosen, data, results, with_records=records is None, document=document, pdf=pdf
        )
    target = Path(out)
    return Run(chosen, data, results, target, tuple(target / path.relative_to(partial) for path in files))
