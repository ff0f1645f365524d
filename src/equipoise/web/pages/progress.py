"""How the trial comes along: enrolment against plan, completeness, queries; pooled over arms, always."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.utils.safestring import SafeString, mark_safe

from equipoise.web.page import page
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import month_words


@page("progress", "progress/")
def progress(request: Any) -> HttpResponse:
    """Enrolment, visits, forms, queries of the account's sites."""
    told = request.served.do(request.who, "progress").told
    overall = told["overall"][0] if told["overall"] else {}
    sites = told["sites"] if len(told["sites"]) > 1 else []
    protocol = request.served.trial.protocol(request.served.trial.protocol_hash)
    entry = "randomized" if protocol.model.randomization is not None else "enrolled"
    randomized = overall.get(entry, 0)
    return render(
        request,
        "progress.html",
        {
            "title": "Progress",
            "planned": told["planned"],
            "entry": entry,
            "randomized": randomized,
            "share": round(100 * randomized / told["planned"]) if told["planned"] else None,
            "drawing": _drawing(told["months"], told["planned"], entry),
            "months": [(month_words(month), n, total) for month, n, total in _running(told["months"])],
            "entered": [_entry(row, entry) for row in (*sites, *told["overall"])],
            "visits": [("All", _rates(told["visits"]))]
            + [(site, _rates(row)) for site, row in told["visits_by_site"].items() if sites],
            "queries": told["queries"],
            "people": [{**row, **_rates(row)} for row in told["people"]],
            "links": may("participant", request.roles),
            "own": [
                (f"/{name}/", words)
                for name, words in (("copy", "A copy of the ledger…"), ("wording", "Wording of questionnaires…"))
                if may(name, request.roles)
            ],
        },
    )


def _entry(row: Mapping[str, Any], entry: str) -> dict[str, Any]:
    names = ("screened", "excluded", "declined", "other", "consented", "eligible")
    return {"site": row["site"], **{name: row.get(name, 0) for name in names}, "entered": row.get(entry, 0)}


def _rates(row: Mapping[str, int]) -> dict[str, Any]:
    due = row["held"] + row["missed"] + row["overdue"]
    recorded = row["forms"] - row["open"]
    return {
        "people": row.get("people", 1),
        "due": due,
        "held": _share(row["held"], due),
        "missed": row["missed"],
        "overdue": row["overdue"],
        "forms": row["forms"],
        "recorded": _share(recorded, row["forms"]),
    }


def _share(n: int, of: int) -> str:
    return f"{n} ({round(100 * n / of)}%)" if of else "none due"


def _running(months: Any) -> list[tuple[str, int, int]]:
    out, total = [], 0
    for month, n in months:
        total += n
        out.append((month, n, total))
    return out


_WIDE, _HIGH, _LEFT, _BASE = 600, 150, 34, 126
_RIGHT = 90  # room for the words at the end of the lines


def _drawing(months: Any, planned: int | None, entry: str) -> SafeString:
    """Who entered so far, month by month, as steps, under a line of the number planned."""
    rows = _running(months)
    if not rows:
        return mark_safe("")
    top = max(planned or 0, rows[-1][2], 1)
    unit = (_WIDE - _LEFT - _RIGHT) / len(rows)

    def y(n: float) -> float:
        return _BASE - (_BASE - 16) * n / top

    parts = [f'<line class="tick" x1="{_LEFT}" x2="{_WIDE - _RIGHT}" y1="{_BASE}" y2="{_BASE}"/>']
    if planned:
        parts.append(
            f'<line class="limit plan" x1="{_LEFT}" x2="{_WIDE - _RIGHT}" y1="{y(planned):.1f}" y2="{y(planned):.1f}"/>'
        )
        parts.append(f'<text x="{_WIDE - _RIGHT + 6}" y="{y(planned) + 4:.1f}">planned {planned}</text>')
    path, every = f"M{_LEFT} {y(0):.1f}", max(1, len(rows) // 8)
    for number, (month, _, total) in enumerate(rows):
        x = _LEFT + unit * number
        path += f" H{x + unit / 2:.1f} V{y(total):.1f} H{x + unit:.1f}"
        if number % every == 0:
            parts.append(
                f'<text x="{x + unit / 2:.1f}" y="{_BASE + 16}" text-anchor="middle">{month_words(month)[:3]}</text>'
            )
    last = rows[-1][2]
    parts.append(f'<path class="line" d="{path}"/>')
    parts.append(f'<text x="{_LEFT - 6}" y="{y(0) + 4:.1f}" text-anchor="end">0</text>')
    if not planned or abs(y(planned) - y(last)) > 14:
        parts.append(f'<text class="strong" x="{_LEFT + unit * len(rows) + 6:.1f}" y="{y(last) + 4:.1f}">{last}</text>')
    words = f"{entry.capitalize()} by month: {last} so far" + (f" of {planned} planned." if planned else ".")
    return mark_safe(
        f'<svg class="entered" width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}" role="img"'
        f' aria-label="{words} The table beside it says the same.">{"".join(parts)}</svg>'
    )
