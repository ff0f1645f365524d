"""A folder of CDISC files: datasets as Dataset-JSON and SAS transport files, Define-XML, the account of all rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from equipoise.exchange.cdisc.dataset_json import FileHead, write_dataset_json
from equipoise.exchange.cdisc.datasets import CdiscDataset
from equipoise.exchange.cdisc.define_page import define_page
from equipoise.exchange.cdisc.define_xml import define_xml
from equipoise.exchange.cdisc.losses import COLUMNS, Account, account_page
from equipoise.exchange.cdisc.study import ParticipantDates, SdtmStudy
from equipoise.exchange.cdisc.transport import write_transport
from equipoise.exchange.csv import inert, read_csv_text
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.statistics_files.names import shortened
from equipoise.exchange.statistics_files.packages import moment_of
from equipoise.foundation.errors import Problem, RecordsError, raise_if_any
from equipoise.protocol.language.protocol import Protocol
from equipoise.records.records import Records

CODES = {
    "R604": "A file of calendar dates cannot be used.",
    "R606": "An export to CDISC's formats that would hold no dataset.",
}
SIMULATED_WORD = "SIMULATED"
DATE_COLUMNS = ("participant_id", "day_1", "informed_consent")


@dataclass
class CdiscExport:
    """What an export wrote: files by dataset, rows by dataset, the account of rows."""

    files: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    account: Account = field(default_factory=Account)


def head_of(study: str, protocol: Protocol, records: Records, standard: str, version: str) -> FileHead:
    """What every file of an export says of itself; the moment is that of the data cut."""
    at = records.source.details.get("at")
    moment = moment_of(str(at) if at else None).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    sponsor = protocol.model.trial.sponsor.value
    return FileHead(
        study=study,
        metadata=f"MDV.{study}.{standard}.{version}",
        moment=moment,
        originator=str(sponsor) if sponsor else "equipoise",
        standard=standard,
        version=version,
        title=protocol.model.trial.title,
        is_simulated=records.is_simulated,
        prefix="simulated-" if records.is_simulated else "",
    )


def write_cdisc(
    datasets: Sequence[CdiscDataset],
    account: Account,
    head: FileHead,
    folder: Path,
    *,
    further: Mapping[str, str],
    force: bool = False,
    private: bool = False,
) -> CdiscExport:
    """Write the folder, whole or not at all; the same records give the same bytes.

    ``further`` are texts of other files by name. Raises :class:`RecordsError` (R606) where there is no dataset, and
    :class:`OutputError` for a value that a format cannot hold.
    """
    _require_some(datasets, account)
    done = CdiscExport(account=account)
    purpose = "Analysis" if head.standard.startswith("ADaM") else "Tabulation"
    moment = datetime.fromisoformat(head.moment.replace("Z", "+00:00"))
    marked = [_marked(dataset, head) for dataset in datasets]
    kind = f"{head.standard} datasets"
    with OutputFolder(folder, kind=kind, force=force, private=private) as partial:
        for dataset in marked:
            files = [head.file(dataset.name, ending) for ending in (".json", ".xpt")]
            write_dataset_json(dataset, partial / files[0], head)
            write_transport(dataset, partial / files[1], moment)
            done.files[dataset.name] = files
            done.rows[dataset.name] = dataset.frame.height
        words = "SIMULATED data: " if head.is_simulated else ""
        texts = {
            "define.xml": define_xml(marked, head, ending=".xpt", purpose=purpose),
            "define.html": define_page(marked, head),
            "not-exported.csv": account_csv(account),
            "not-exported.html": account_page(
                f"{words}what of {head.study} is in these files, and what is not", account
            ),
            **further,
        }
        for name, text in texts.items():
            (partial / name).write_text(text, "utf-8", newline="\n")
    return done


def _require_some(datasets: Sequence[CdiscDataset], account: Account) -> None:
    """A folder without datasets would look like an export."""
    if datasets:
        return
    why = "; ".join(f"{name}: {reason}" for name, reason in account.left_out()) or "the records have no rows"
    found = f"There is no dataset to write. {why}."
    hint = "Fill in a copy of mapping-template.yaml, which equipoise export sdtm writes, and say --mapping FILE."
    raise RecordsError(Problem("R606", "--mapping", found, "answers from which DM can be made", hint))


def _marked(dataset: CdiscDataset, head: FileHead) -> CdiscDataset:
    """The dataset with a label that says that its data are simulated, of at most 40 bytes."""
    label = f"{SIMULATED_WORD} {dataset.label}" if head.is_simulated else dataset.label
    return dataset.with_label(shortened(label, 40, in_bytes=True))


def account_csv(account: Account) -> str:
    """The account as CSV; no cell is one that a spreadsheet works out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in account.lines:
        writer.writerow([line[c] if c == "rows" else inert(line[c]) for c in COLUMNS])
    return out.getvalue()


def read_dates(path: Path, records: Records) -> dict[str, ParticipantDates]:
    """Calendar dates by participant, from a CSV file with a row each: of study day 1, and of informed consent.

    Cells may be empty. Raises :class:`RecordsError` (R604, and those of CSV files) with every problem.
    """
    text, problems = read_csv_text(path)
    raise_if_any(RecordsError, problems)
    assert text is not None
    file = str(path)
    if tuple(text.columns) != DATE_COLUMNS:
        found = f"The columns are {', '.join(text.columns)}."
        raise RecordsError(Problem("R604", "header", found, ", ".join(DATE_COLUMNS), file=file, line=1))
    known = set(records["participants"]["participant_id"].to_list())
    out: dict[str, ParticipantDates] = {}
    for row, line in zip(text.frame.to_dicts(), text.lines.tolist(), strict=True):
        subject = row["participant_id"]
        if subject is None or subject not in known or subject in out:
            words = "is not in the records" if subject not in known else "stands twice"
            found = f"The participant {subject!r} {words}." if subject is not None else "There is no participant."
            problems.append(Problem("R604", "participant_id", found, "each participant once", file=file, line=line))
            continue
        days: dict[str, date | None] = {}
        for name in DATE_COLUMNS[1:]:
            try:
                days[name] = date.fromisoformat(row[name]) if row[name] is not None and len(row[name]) == 10 else None
                wrong = row[name] is not None and days[name] is None
            except ValueError:
                wrong = True
            if wrong:
                found = f"There is {row[name]!r}."
                problems.append(
                    Problem("R604", name, found, "a date such as 2027-03-09, or nothing", file=file, line=line)
                )
        out[subject] = ParticipantDates(days.get("day_1"), days.get("informed_consent"))
    raise_if_any(RecordsError, problems)
    return out


__all__ = ["CdiscExport", "SdtmStudy", "account_csv", "head_of", "read_dates", "write_cdisc"]
