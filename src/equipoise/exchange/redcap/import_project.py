"""A REDCap project in: a protocol to start from, the project's own files, records, and what was not taken over."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import polars as pl

from equipoise.exchange.csv import inert
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.records_files import write_records
from equipoise.exchange.redcap.answers import ImportAnswers, head_key, questions
from equipoise.exchange.redcap.data import SURVEY, RedcapData, read_data
from equipoise.exchange.redcap.evaluate import of_values
from equipoise.exchange.redcap.findings import KINDS, LEFT_OUT, ImportFinding, by_kind
from equipoise.exchange.redcap.from_records import is_own_project, tables_of_data
from equipoise.exchange.redcap.functions import RuleContext
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.exchange.redcap.project_files import ProjectFiles, read_project
from equipoise.exchange.redcap.review import review
from equipoise.exchange.redcap.rules import FieldRule, read_rules
from equipoise.exchange.redcap.skeleton import Skeleton
from equipoise.exchange.redcap.to_records import RecordsMaker, observed_ranges, unfit_values
from equipoise.exchange.redcap.write import DATA, DATA_SIMULATED, write_data, write_project
from equipoise.foundation.errors import Problem, RecordsError
from equipoise.protocol.read import read_protocol_text
from equipoise.records.records import DataSource, Origin, Records

Progress = Callable[[str], None]
PROJECT_FOLDER = "redcap"
LIST_CSV, LIST_JSON, DIFFERENCES, ANSWERS = (
    "not-translated.csv",
    "not-translated.json",
    "differences.csv",
    "answers.yaml",
)


@dataclass(frozen=True)
class ImportedProject:
    """What an import comes to, before anything is written."""

    project: RedcapProject
    rules: tuple[FieldRule, ...]
    answers: ImportAnswers
    protocol_text: str
    data: RedcapData | None
    records: Records | None
    findings: tuple[ImportFinding, ...]
    differences: pl.DataFrame | None = None
    notes: tuple[Problem, ...] = ()
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def n_always_shown(self) -> int:
        """Fields whose branching logic could not be taken over: they are shown always."""
        return len({f.field for f in self.findings if f.kind == "not translated" and f.column == "branching_logic"})

    @property
    def sentence(self) -> str:
        """The first line of the report."""
        n = self.n_always_shown
        shown = (
            f"{n} field{'s are' if n != 1 else ' is'} shown always, as their branching logic could not be taken over"
        )
        counts = by_kind(self.findings)
        parts = [f"{len(held)} {kind}" for kind, held in counts.items() if held]
        if self.project.source != "redcap":
            shown = f"{len(self.project.fields)} fields in {len(self.project.forms)} forms"
        return f"{shown}; {', '.join(parts)}." if parts else f"{shown}."


def import_project(
    files: ProjectFiles,
    data: Path | None = None,
    answers: Callable[[RedcapProject], ImportAnswers | None] = lambda project: None,
    *,
    progress: Progress = lambda text: None,
) -> ImportedProject:
    """Read a project, with its data where given. Raises :class:`RecordsError` with every fault of the files.

    ``answers`` gives the answers for the project that was read, or ``None`` where nobody gave any.
    Nothing is guessed: what is asked and not answered is left out, and listed among the findings.
    """
    progress("reading the dictionary")
    project, notes = read_project(files)
    read: RedcapData | None = None
    if data is not None:
        progress("reading the data")
        read, more = read_data(data, project)
        project, notes = read.project, [*notes, *more]
    given = answers(project) or ImportAnswers()
    rules, refused = read_rules(project)
    findings = review(project, rules, refused)
    around = RuleContext(project.missing)
    differing: pl.DataFrame | None = None
    if read is not None:
        progress("evaluating branching and calculations")
        of_rules, differing = of_values(read, rules, around)
        findings += [*unfit_values(read, given), *of_rules]
    if is_own_project(project):
        return _own(project, read, tuple(notes), files, data)
    named = ProjectRead(
        project,
        read,
        given,
        rules,
        findings,
        notes,
        [path for path in (files.dictionary, data) if path is not None],
        files.dictionary.resolve().parent.name,
        differing,
    )
    return imported_of(named, progress)


@dataclass(frozen=True)
class ProjectRead:
    """A project that was read, from whatever files: its data, answers and rules, and what is to be said of it."""

    project: RedcapProject
    data: RedcapData | None
    answers: ImportAnswers
    rules: list[FieldRule]
    findings: list[ImportFinding]
    notes: list[Problem]
    files: list[Path]
    name: str  # of the trial, where neither answers nor project say one
    differences: pl.DataFrame | None = None


def imported_of(named: ProjectRead, progress: Progress = lambda text: None) -> ImportedProject:
    """The protocol to start from and, where it may be known who consented, the records."""
    project, read, given, rules = named.project, named.data, named.answers, named.rules
    findings, differing, notes = list(named.findings), named.differences, named.notes
    around = RuleContext(project.missing)
    skeleton = Skeleton(project, given, rules)
    maker: RecordsMaker | None = None
    if read is not None:
        skeleton.observed = observed_ranges(read)
        maker = RecordsMaker(read, skeleton, rules, around)
        skeleton.observed_days = tuple(maker.days["day"].unique().to_list())
    trial = given.trial or _slug(project.title or named.name)
    title = project.title or trial
    text = skeleton.text(trial, title)
    protocol = read_protocol_text(text, file="protocol.yaml")
    hashes = {path.name: _digest(path) for path in named.files}
    records: Records | None = None
    if read is not None and maker is not None and given.consented is not None and read.frame.height:
        progress("making records")
        details = {"importer": project.source, "files": hashes}
        whence = "the REDCap project" if project.source == "redcap" else "the ODM file of"
        said = f"Imported from {whence} {title!r}: {len(read.records):,} records."
        records = Records(maker.tables(), DataSource("imported", said, trial, protocol.hash, details))
    findings += [*skeleton.findings, *(maker.findings if maker is not None else []), *questions(project, given)]
    order = list(KINDS)
    findings.sort(key=lambda one: order.index(one.kind))
    return ImportedProject(
        project, tuple(rules), given, text, read, records, tuple(findings), differing, tuple(notes), hashes
    )


def _own(
    project: RedcapProject, data: RedcapData | None, notes: tuple[Problem, ...], files: ProjectFiles, file: Path | None
) -> ImportedProject:
    """A project that equipoise wrote: its fields say which cells of the records they are, and nothing is asked."""
    said = project.settings.get("equipoise")
    said = said if isinstance(said, dict) else {}
    text = str(said.get("text") or "")
    if not text:
        found = "The settings do not hold the protocol."
        hint = "Add --settings project.json, as it was written beside the dictionary."
        raise RecordsError(
            Problem("R358", "equipoise", found, "the settings of the export", hint, str(files.dictionary))
        )
    protocol = read_protocol_text(text, file="protocol.yaml")
    records: Records | None = None
    if data is not None:
        origins: dict[Any, Origin] = {name: name for name in get_args(Origin)}
        details = said.get("details")
        source = DataSource(
            origins.get(said.get("origin"), "imported"),
            str(said.get("description") or "Imported from a REDCap project that equipoise wrote."),
            protocol.id,
            str(said.get("protocol_hash", protocol.hash)),
            dict(details) if isinstance(details, dict) else {},
        )
        records = Records(tables_of_data(data, said.get("columns")), source)
    hashes = {path.name: _digest(path) for path in (files.dictionary, file) if path is not None}
    keep = ImportAnswers(identifiers="keep", free_text="keep")
    return ImportedProject(project, (), keep, text, data, records, (), None, notes, hashes)


def write_import(imported: ImportedProject, out: Path, *, force: bool = False) -> None:
    """Write everything to a folder, whole or not at all; closed to other accounts where identifiers are kept."""
    project, answers = imported.project, imported.answers
    left_out = {one.name for one in project.fields[1:] if not answers.keeps(one)}
    if answers.identifiers != "keep":
        left_out.add(SURVEY)  # what a survey was sent to: often an address
    with OutputFolder(out, kind="redcap import", force=force, private=is_private(imported)) as partial:
        (partial / "protocol.yaml").write_text(imported.protocol_text, "utf-8", newline="\n")
        own = partial / PROJECT_FOLDER
        own.mkdir()
        write_project(project, own)
        if imported.data is not None:
            fictional = imported.records is not None and imported.records.is_simulated
            write_data(imported.data, own / (DATA_SIMULATED if fictional else DATA), without=left_out)
        write_what_it_says(imported, partial)
        if imported.differences is not None and imported.differences.height:
            shown = pl.when(~pl.col("field").is_in(list(left_out)))
            cells = (
                shown.then(pl.col(name)).otherwise(pl.lit(LEFT_OUT)).alias(name) for name in ("stored", "computed")
            )
            safe = imported.differences.with_columns(cells).with_columns(
                pl.col(pl.String).map_elements(inert, return_dtype=pl.String)
            )
            safe.write_csv(partial / DIFFERENCES, line_terminator="\n")


def is_private(imported: ImportedProject) -> bool:
    """Whether the folder is for the account alone that writes it: identifiers are kept in it."""
    return imported.data is not None and (imported.answers.identifiers not in (None, "leave-out", ()))


def write_what_it_says(imported: ImportedProject, partial: Path) -> None:
    """Records, the list of all that was not taken over, and the questions."""
    if imported.records is not None:
        write_records(imported.records, partial / "records")
    _write_findings(imported.findings, partial)
    (partial / ANSWERS).write_text(answers_text(imported), "utf-8", newline="\n")


def _write_findings(findings: tuple[ImportFinding, ...], folder: Path) -> None:
    out = StringIO()
    columns = ("kind", "code", "field", "column", "text", "why", "n", "lines")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for one in findings:
        row = {**one.as_dict(), "lines": " ".join(map(str, one.lines))}
        writer.writerow([inert(row[column]) for column in columns])
    (folder / LIST_CSV).write_text(out.getvalue(), "utf-8", newline="\n")
    plain = [one.as_dict() for one in findings]
    (folder / LIST_JSON).write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")


def answers_text(imported: ImportedProject) -> str:
    """A file of answers to fill in: each open question as a comment above its key."""
    from equipoise.protocol.text.rewrite import flow

    answers, project = imported.answers, imported.project
    asked = {one.column: one for one in imported.findings if one.kind == "question"}
    given: dict[str, object] = {
        "trial": answers.trial or None,
        "consented": _said(answers.consented, "yes"),
        "arm": _said(answers.arm, "arms"),
        "day-1": answers.day_1,
        "days": dict(answers.days) or None,
        "visit-dates": dict(answers.visit_dates) or None,
        "identifiers": _listed(answers.identifiers),
        "free-text": _listed(answers.free_text),
        "baseline": list(answers.baseline) or None,
    }
    examples = {
        "trial": "my-trial",
        "consented": "all   # or {field: NAME, yes: [CODE]}",
        "arm": "none   # or "
        + ("redcap-arms, or " if project.source == "redcap" else "")
        + "{field: NAME, arms: {CODE: arm-name}}; the reference first",
        "day-1": "NAME   # a date field, or none",
        "days": flow({event.unique: k for k, event in enumerate(project.events, 1)}) + "   # study days, no day 0",
        "visit-dates": "{FORM: NAME}",
        "identifiers": "leave-out   # or keep, or [NAME]",
        "free-text": "leave-out   # or keep, or [NAME]",
        "baseline": "[NAME]",
    }
    source = project.source
    lines = [f"# Answers for `equipoise import {source} ... --answers FILE`. Take the # away and fill in.", ""]
    lines += [f"{head_key(project)}: 1", ""]
    for key, value in given.items():
        if key in asked:
            lines.append("# " + " ".join(f"{asked[key].text} {asked[key].why}".split()))
        lines.append(f"# {key}: {examples[key]}" if value is None else f"{key}: {flow(value)}")
    return "\n".join(lines) + "\n"


def _said(value: str | tuple[str, tuple[object, ...]] | None, key: str) -> object:
    if not isinstance(value, tuple):
        return value
    pairs: Any = value[1]
    return {"field": value[0], key: dict(pairs) if key == "arms" else list(pairs)}


def _listed(value: str | tuple[str, ...] | None) -> object:
    return list(value) if isinstance(value, tuple) else value


def _slug(words: str) -> str:
    found = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60].strip("-")
    return (
        found if re.match(r"[a-z]", found) and found not in ("null", "true", "false") else f"redcap-{found}".strip("-")
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
