"""Files that pages offer: tables whose cells no spreadsheet takes for formulas, calendars, folders as one file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse

from equipoise.exchange.csv import inert


def table_file(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A table as a file of comma-separated values."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow([inert(cell) for cell in row])
    return attached(name, out.getvalue().encode(), "text/csv; charset=utf-8")


def attached(name: str, content: bytes, kind: str) -> HttpResponse:
    """A file to keep; it is never shown as a page."""
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
