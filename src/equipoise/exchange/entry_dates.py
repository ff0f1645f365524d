"""Calendar dates of study day 1 from a CSV file: a row per participant, ``participant_id`` and ``day_1``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from equipoise.exchange.csv import read_csv_text
from equipoise.foundation.errors import Problem, RecordsError, listed, raise_if_any
from equipoise.records.known_on import DatesOfDay1

CODES = {
    "R148": "A file of dates of study day 1 lacks a column, or a date in it cannot be read.",
    "R149": "A participant has two dates of study day 1.",
}
_COLUMNS = ("participant_id", "day_1")


def read_entry_dates(path: str | Path) -> DatesOfDay1:
    """The dates of a file; columns other than ``participant_id`` and ``day_1`` (ISO, 2027-03-31) are passed over.

    Raises :class:`RecordsError` with every row that cannot be read (R148) or stands twice (R149).
    """
    table, problems = read_csv_text(Path(path))
    raise_if_any(RecordsError, problems)
    assert table is not None
    absent = [name for name in _COLUMNS if name not in table.frame.columns]
    if absent:
        found = f"The file has the columns {listed(table.frame.columns, conjunction='and')}."
        hint = "Export one row per participant with the date of study day 1, written 2027-03-31."
        raise RecordsError(Problem("R148", "header", found, "participant_id and day_1", hint, file=str(path)))
    dates: dict[str, date] = {}
    rows = zip(table.lines, table.frame["participant_id"], table.frame["day_1"], strict=True)
    for line, id, text in rows:
        if id is None or text is None:
            if id is not None:
                continue  # no date yet: whoever is randomized and has none is named later
            problems.append(Problem("R148", "participant_id", "The cell is empty.", "an id", "", str(path), int(line)))
            continue
        try:
            when = date.fromisoformat(str(text).strip())
        except ValueError:
            found = f"{text!r} of participant {id} is no date."
            problems.append(Problem("R148", "day_1", found, "a date as 2027-03-31", "", str(path), int(line)))
            continue
        if dates.get(id, when) != when:
            found = f"Participant {id} has {dates[id]} and {when}."
            problems.append(Problem("R149", "day_1", found, "one date each", "Remove one.", str(path), int(line)))
        dates[id] = when
    raise_if_any(RecordsError, problems)
    if not dates:
        raise RecordsError(Problem("R148", "day_1", "No row has a date.", "a date per participant", file=str(path)))
    return DatesOfDay1(dates, f"Dates of study day 1 are from {Path(path).name}.")
