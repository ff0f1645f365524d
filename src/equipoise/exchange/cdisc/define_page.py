"""Define-XML's content as a page for people, without a stylesheet beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from equipoise.exchange.cdisc.dataset_json import FileHead
from equipoise.exchange.cdisc.datasets import CdiscDataset, DatasetVariable
from equipoise.exchange.cdisc.losses import STYLE

MOST_TERMS = 12


def define_page(datasets: Sequence[CdiscDataset], head: FileHead) -> str:
    """Every dataset and variable: label, type, terms, origin, and how it was derived."""
    title = f"{'SIMULATED DATA: ' if head.is_simulated else ''}{head.study}, {head.standard} {head.version}"
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(head.title)}</p>", '<nav aria-label="Datasets"><ul>']
    parts += [
        f'<li><a href="#{d.name}">{d.name}</a>: {escape(d.label)}, {d.frame.height:,} rows</li>' for d in datasets
    ]
    parts.append("</ul></nav>")
    for dataset in datasets:
        keys = ", ".join(dataset.keys)
        note = f" {escape(dataset.comment)}" if dataset.comment else ""
        parts += [
            f'<section id="{dataset.name}"><h2>{dataset.name}: {escape(dataset.label)}</h2>',
            f"<p>{escape(dataset.structure)}. Keys: {keys}. {dataset.frame.height:,} rows.{note}</p>",
            f'<div class="wide" tabindex="0" role="region" aria-label="Variables of {dataset.name}"><table><thead><tr>'
            '<th scope="col">Variable</th><th scope="col">Label</th><th scope="col">Type</th><th scope="col">Core</th>'
            '<th scope="col">Terms</th><th scope="col">Origin, method, comment</th></tr></thead><tbody>',
            *(_row(v) for v in dataset.variables),
            "</tbody></table></div></section>",
        ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style></head>\n'
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _row(variable: DatasetVariable) -> str:
    shown = [f"{v} ({w})" if w else v for v, w in list(variable.terms.items())[:MOST_TERMS]]
    if len(variable.terms) > MOST_TERMS:
        shown.append(f"and {len(variable.terms) - MOST_TERMS} more")
    origin = f"{variable.predecessor or variable.origin}."
    said = " ".join(t for t in (origin, variable.method, variable.comment) if t)
    cells = (variable.label, variable.type, variable.core)
    return (
        f"<tr><td><code>{variable.name}</code></td>{''.join(f'<td>{escape(c)}</td>' for c in cells)}"
        f"<td>{'<br>'.join(escape(t) for t in shown)}</td><td>{escape(said)}</td></tr>"
    )
