"""What is printed for envelopes: the site's list, which tells no arm, and the pages that go into the envelopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from equipoise.conduct.trial.envelopes import Envelope

_STYLE = """
body { font: 11pt/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto; max-width: 46rem; }
h1 { font-size: 1.3rem; } table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #888; padding: .5rem .6rem; text-align: left; vertical-align: top; }
td.hand { min-width: 6rem; height: 2.4rem; } .code { font-family: ui-monospace, monospace; white-space: nowrap; }
section { border: 1px solid #888; padding: 1.2rem 1.6rem; margin: 0 0 1.5rem; }
section.inside { border-style: dashed; } .big { font-size: 1.6rem; margin: .6rem 0; }
@media print { section { break-after: page; margin: 0; } body { margin: 0; } }
"""


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def site_list(trial: str, site: str, training: bool, envelopes: Sequence[Envelope]) -> str:
    """The list that the site keeps beside its envelopes and fills in by hand; it tells no arm."""
    rows = "\n".join(
        f'<tr><td>{one.number}</td><td class="code">{one.code}</td><td>{escape(one.stratum)}</td>'
        + '<td class="hand"></td>' * 4
        + "</tr>"
        for one in envelopes
    )
    body = (
        f"<h1>Sealed envelopes: {escape(trial)}, site {escape(site)}</h1>\n"
        f"{_training(training)}"
        "<p>For days on which the system cannot be reached. Take the envelope with the lowest number of the "
        "participant's stratum, write down the participant, the date and the time, and only then open it. Opened "
        "envelopes are recorded when the system is back; unopened ones go back to the pharmacy.</p>\n"
        "<table><thead><tr><th>No.</th><th>Code</th><th>Stratum</th><th>Participant</th><th>Date and time</th>"
        f"<th>Opened by</th><th>Witness</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
    )
    return _page(f"Envelopes of {site}", body)


def envelope_pages(
    trial: str, training: bool, envelopes: Sequence[Envelope], arms: Mapping[str, str], labels: Mapping[str, str]
) -> str:
    """Two pages an envelope: what is stuck on it, and what goes into it; the second tells the arm."""
    parts = []
    for one in envelopes:
        head = f"{escape(trial)}, site {escape(one.site)}, {escape(one.stratum)}"
        parts.append(
            f'<section class="outside"><h1>Sealed envelope {one.number}</h1>{_training(training)}<p>{head}</p>'
            f'<p class="big code">{one.code}</p><p>Open it only after the participant, the date and the time are '
            "written here:</p><p>Participant ______________ Date and time ______________ Opened by ______________</p>"
            "</section>"
        )
        arm = arms[one.code]
        parts.append(
            f'<section class="inside"><h1>Inside envelope {one.number}</h1>{_training(training)}<p>{head}</p>'
            f'<p class="code">{one.code}</p><p>Allocated to</p>'
            f'<p class="big">{escape(labels.get(arm, arm))} ({escape(arm)})</p></section>'
        )
    return _page("Envelopes", "\n".join(parts))


def _training(training: bool) -> str:
    return "<p><strong>TRAINING: nobody in this trial is real.</strong></p>" if training else ""
