"""An ODM file in: a protocol to start from, items and values as the file has them, records, and what is left out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from equipoise.exchange.csv import inert
from equipoise.exchange.odm.parse import ParsedOdm, parse_odm
from equipoise.exchange.odm.read_study import StudyRead, read_study
from equipoise.exchange.odm.read_values import PLACE, ValuesRead, findings_of
from equipoise.exchange.odm.to_project import OdmProject
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.redcap.answers import ImportAnswers
from equipoise.exchange.redcap.evaluate import of_values
from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.exchange.redcap.functions import RuleContext
from equipoise.exchange.redcap.import_project import (
    ImportedProject,
    ProjectRead,
    imported_of,
    is_private,
    write_what_it_says,
)
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.exchange.redcap.review import review
from equipoise.exchange.redcap.rules import read_rules
from equipoise.foundation.errors import Problem, RecordsError, listed, raise_if_any

FOLDER, ITEMS, VALUES = "odm", "items.csv", "values.csv"
Told = Callable[[str], None]


class OdmImport:
    """One file (or two: metadata, data) that was read; ``imported`` is made of it with answers.

    Raises :class:`RecordsError` with every fault of form: R371 to R377, R379, R385.
    """

    def __init__(self, file: Path, data: Path | None = None, told: Told = lambda text: None) -> None:
        self.files = [path for path in (file, data) if path is not None]
        parsed = parse_odm(file, None, told)
        self.study, problems, self.notes = read_study(parsed, str(file))
        raise_if_any(RecordsError, problems)
        self._skipped(parsed, file)
        self.read: ValuesRead | None = None
        source = data or file
        if data is not None or parsed.n_subjects:
            self.read = self._values(source, parsed.version, told)
        self.maker = OdmProject(self.study, self.read)
        self.project: RedcapProject = self.maker.project()
        self.data = self.maker.data(self.project) if self.read is not None else None

    def _skipped(self, parsed: ParsedOdm, file: Path) -> None:
        if parsed.skipped:
            names = [f"{n} of {space or 'no namespace'}" for space, n in parsed.skipped.items()]
            found = f"Elements of other namespaces were skipped: {listed(names, conjunction='and')}."
            self.notes.append(Problem("R386", "namespaces", found, file=str(file)))
        unread = [one for node in parsed.root.all("ReferenceData", "ClinicalData") for one in node.all("ItemGroupData")]
        if unread:
            found = f"{len(unread)} groups of data belong to no participant, and were not read."
            self.notes.append(Problem("R386", "ItemGroupData", found, file=str(file), line=unread[0].line))

    def _values(self, file: Path, version: str, told: Told) -> ValuesRead:
        read = ValuesRead(self.study, str(file))
        parsed = parse_odm(file, read.subject, told)
        if parsed.version != version:
            found = f"The data are of ODM {parsed.version}, the metadata of {version}."
            raise RecordsError(Problem("R372", "ODM", found, "one version", file=str(file), line=1))
        raise_if_any(RecordsError, read.problems)
        if file != self.files[0]:
            self._skipped(parsed, file)
        if read.strangers:
            named = listed(sorted(map(repr, read.strangers)), conjunction="and", limit=5)
            found = f"People or places that the file does not define: {named}."
            line = min(read.strangers.values())
            self.notes.append(Problem("R374", "AdminData", found, "users and locations", file=str(file), line=line))
        if read.out_of_order:
            found = f"{read.out_of_order} elements of the data stand in another order than in the schema."
            self.notes.append(Problem("R378", "ClinicalData", found, file=str(file)))
        return read

    def imported(self, answers: ImportAnswers | None, told: Told = lambda text: None) -> ImportedProject:
        """What the import comes to with these answers."""
        given = answers or ImportAnswers()
        rules, refused = read_rules(self.project)
        findings = [*self.maker.findings, *review(self.project, rules, refused)]
        differing = None
        if self.read is not None and self.data is not None:
            fields = {item: name for (_, _, item), name in reversed(self.maker.names.items())}
            by_name = self.project.by_name
            findings += findings_of(
                self.read, lambda oid: fields.get(oid, oid), lambda oid: given.keeps(by_name[fields[oid]])
            )
            if self.read.n_audits or self.read.n_signatures:
                findings.append(_audit(self.read))
            if rules:
                of_rules, differing = of_values(self.data, rules, RuleContext(self.project.missing))
                findings += of_rules
        name = self.files[0].stem
        return imported_of(
            ProjectRead(self.project, self.data, given, rules, findings, self.notes, self.files, name, differing), told
        )

    def write(self, imported: ImportedProject, out: Path, *, force: bool = False) -> None:
        """Write everything to a folder, whole or not at all; closed to other accounts where identifiers are kept."""
        with OutputFolder(out, kind="odm import", force=force, private=is_private(imported)) as partial:
            (partial / "protocol.yaml").write_text(imported.protocol_text, "utf-8", newline="\n")
            own = partial / FOLDER
            own.mkdir()
            _write(own / ITEMS, _ITEM_COLUMNS, _item_rows(self.study, self.maker))
            if self.read is not None:
                _write(own / VALUES, (*PLACE, "field", "value", "times recorded", "line"), self._value_rows(imported))
            write_what_it_says(imported, partial)

    def _value_rows(self, imported: ImportedProject) -> Iterable[Sequence[object]]:
        """Values in force, less those of fields that are left out."""
        assert self.read is not None
        kept = {one.name for one in self.project.fields if imported.answers.keeps(one)}
        for held in self.read.values.values():
            for place, (value, line, times) in held.items():
                name = self.maker.names[(place[3], place[5], place[7])]
                if name in kept:
                    yield (*place, name, value, times, line)


def _audit(read: ValuesRead) -> ImportFinding:
    text = f"{read.n_audits} audit records, {read.n_signatures} signatures"
    why = "Changes were applied in their order; who made them stays in the file alone."
    return ImportFinding("kept", "R386", "", "AuditRecord", text, why, max(read.n_audits, 1))


_ITEM_COLUMNS = (
    *("field", "form of the project", "form", "group", "item", "name", "label", "type", "length", "unit", "required"),
    *("codes", "checks", "not asked where", "in words"),
)


def _item_rows(study: StudyRead, maker: OdmProject) -> Iterable[Sequence[object]]:
    for (form, group, oid), name in maker.names.items():
        item, held = study.items[oid], study.groups[group]
        words, expression = study.conditions.get(held.conditions.get(oid, ""), ("", ""))
        checks = [f"{sign} {' '.join(values)}{'' if hard else ' (soft)'}" for sign, values, hard in item.checks]
        codes = " | ".join(f"{code}, {label}" for code, label in item.codes or ())
        yield (
            *(name, maker.places[(form, group)], form, group, oid, item.name, item.label, item.type),
            *(item.length, item.unit, "yes" if oid in held.required else "no", codes, "; ".join(checks)),
            *(expression, words),
        )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([cell if isinstance(cell, int) else inert(cell) for cell in row])
