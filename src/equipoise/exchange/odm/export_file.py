"""A protocol, and its records, as a folder with one ODM file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from equipoise.exchange.odm.of_records import RecordsStudy
from equipoise.exchange.odm.study import VERSIONS, OdmHead, OdmPeople, OdmStudy, OdmSubject
from equipoise.exchange.odm.write_data import write_data
from equipoise.exchange.odm.write_study import write_head, write_people, write_study
from equipoise.exchange.odm.xml_text import XmlText
from equipoise.exchange.output_folder import OutputFolder
from equipoise.foundation.errors import Problem, RecordsError, UsageError, listed
from equipoise.foundation.version import program_version
from equipoise.protocol.language.protocol import Protocol
from equipoise.records.records import Records

CODES = {
    "R370": "Records that cannot go out as one ODM file: replicates, or those of another protocol.",
    "U097": "A version of ODM that is not written.",
}
FILE, FILE_SIMULATED = "odm.xml", "odm-simulated.xml"
NO_MOMENT = "1970-01-01T00:00:00Z"  # stands where nothing says a moment: the same records give the same bytes
SIMULATED = "SIMULATED"


@dataclass(frozen=True)
class OdmExport:
    """What was written: the file's name and how much it holds."""

    file: str
    events: int
    forms: int
    items: int
    subjects: int
    values: int


@dataclass(frozen=True)
class OdmContent:
    """All that goes into a file: head, metadata, people, data, and the reasons by which a value is absent."""

    head: OdmHead
    study: OdmStudy
    people: OdmPeople
    subjects: Iterable[OdmSubject]
    reasons: Mapping[str, str]


def require_version(version: str) -> None:
    """Raise :class:`UsageError` (U097) for a version that is not written."""
    if version not in VERSIONS:
        raise UsageError(Problem("U097", "--version", f"Found {version!r}.", listed(VERSIONS)))


def title_of(title: str, simulated: bool) -> str:
    """The name of the study, which says that participants are fictional."""
    return f"{SIMULATED}: {title}" if simulated else title


def words_of(title: str, description: str, simulated: bool) -> str:
    """The description of the study."""
    said = f"{SIMULATED}, the participants are fictional. " if simulated else ""
    return f"{said}{title}." + (f" {description}" if description else "")


def export_odm(
    protocol: Protocol,
    records: Records | None,
    out: Path,
    *,
    version: str,
    force: bool = False,
    told: Callable[[str], None] = lambda text: None,
) -> OdmExport:
    """Write the metadata of ``protocol``, with the data of ``records`` where given, as ODM 1.3.2 or 2.0.

    A snapshot: records know study days and no dates, and not who changed what. The same records give the same bytes:
    the head states the moment of a data cut, or the first of 1970. Raises :class:`RecordsError` (R370) for
    replicates and for records of another protocol, and what :class:`OutputFolder` raises.
    """
    require_version(version)
    simulated = records is not None and records.is_simulated
    if records is not None:
        _require_one_trial(protocol, records)
    maker = RecordsStudy(protocol, dict(records.tables) if records is not None else {})
    title = protocol.model.trial.title
    description = records.source.description if records is not None else ""
    study = maker.study(title_of(title, simulated), words_of(title, description, simulated), simulated=simulated)
    moment = str(records.source.details.get("at", "")) if records is not None else ""
    of_data = f".{records.data_hash[:16]}" if records is not None else ""
    head = OdmHead(
        f"{SIMULATED + '.' if simulated else ''}{protocol.id}.{protocol.hash[:16]}{of_data}",
        moment or NO_MOMENT,
        moment,
        has_data=records is not None,
        program_version=program_version(),
    )
    subjects = maker.subjects() if records is not None else ()
    content = OdmContent(head, study, OdmPeople(), subjects, {})
    n = records["participants"].height if records is not None else 0
    private = records is not None and records.source.is_private
    return write_odm(content, out, version=version, force=force, private=private, told=lambda k: told(f"{k} of {n}"))


def _require_one_trial(protocol: Protocol, records: Records) -> None:
    if records.has_replicates:
        found = "The records hold replicates of a trial."
        raise RecordsError(Problem("R370", "records", found, "one trial", "Export one replicate."))
    if records.source.protocol not in ("", protocol.id):
        found = f"The records are of {records.source.protocol!r}, the protocol is {protocol.id!r}."
        raise RecordsError(Problem("R370", "records.json", found, f"records of {protocol.id}"))


def write_odm(
    content: OdmContent,
    out: Path,
    *,
    version: str,
    force: bool = False,
    private: bool = False,
    told: Callable[[int], None] = lambda k: None,
) -> OdmExport:
    """Write the folder, whole or not at all; ``told`` hears how many participants are written."""
    study = content.study
    name = FILE_SIMULATED if study.simulated else FILE
    count = 0

    def after(subject: OdmSubject) -> None:
        nonlocal count
        count += 1
        told(count)

    n_values = 0
    with (
        OutputFolder(out, kind="odm", force=force, private=private) as partial,
        (partial / name).open("w", encoding="utf-8", newline="\n") as file,
    ):
        text = XmlText(file.write)
        write_head(text, version, content.head)
        write_study(text, version, study, content.reasons)
        write_people(text, version, study, content.people)
        if content.head.has_data:
            n_values = write_data(text, version, study, content.subjects, content.reasons, after)
        text.end()
    n_items = sum(len(form.items) for form in study.forms)
    return OdmExport(name, len(study.events), len(study.forms), n_items, count, n_values)
