"""Carry out the multiverse of a trial and write it down. What it holds: ``analysis.multiverse.universes``."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from equipoise.analysis.analyse import estimate_planned
from equipoise.analysis.multiverse.definitions import LIBRARY, library_endpoints, main_line
from equipoise.analysis.multiverse.universes import (
    CAUTION,
    Multiverse,
    Universe,
    favoured,
    line_of,
    planned_universes,
    why_not_tried,
)
from equipoise.analysis.plan import Plan
from equipoise.endpoints.lattice import read_lattice
from equipoise.endpoints.patterns.library import definitions
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.records_files import read_records
from equipoise.foundation.errors import EquipoiseError
from equipoise.foundation.hashing import sha256_value
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.endpoint_kinds import SHAPES
from equipoise.records import Records
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import Progress, require_records


def explore_multiverse(
    protocol: Protocol | str | Path,
    records: Records | str | Path,
    *,
    sets: int = 20,
    line: str | None = None,
    progress: Progress | None = None,
) -> Multiverse:
    """Carry out every universe on one trial's records.

    What is varied is the outcome of ``line``, by default of the first line of the plan that compares two arms on use,
    or on anything. Definitions are the protocol's own endpoints of use and the library's that fit its pattern; of
    another outcome the protocol's endpoints that look at the same assessment or events. ``sets`` are the imputed data
    sets of each universe with multiple imputation. A universe that cannot be fitted is named with the reason, not left
    out silently.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    data = records if isinstance(records, Records) else read_records(records)
    require_records(chosen, data)
    library, without = library_endpoints(chosen, line)
    wide = Protocol(
        chosen.model.model_copy(update={"endpoints": {**chosen.model.endpoints, **library}}),
        lines=chosen.lines,
        path=chosen.path,
        text=chosen.text,
    )
    name, main = main_line(chosen, line)
    asked = chosen.model.estimands[main.estimand]
    published = {entry.analysis for entry in chosen.model.published.values() if entry.analysis}
    plan = Plan(wide, read_lattice(wide, data))
    rows: list[Universe] = []
    left_out: list[tuple[str, str]] = []
    universes = tuple(planned_universes(wide, sets=sets, line=name))
    for number, (planned, rule) in enumerate(universes, 1):
        if progress is not None:
            progress(f"{planned.id}, {number} of {len(universes)}")
        reason = why_not_tried(wide, planned, main)
        if reason is not None:
            left_out.append((planned.id, reason))
            continue
        try:
            answers = estimate_planned(wide, plan, planned)
            # Where the likelihood has no maximum, the penalised answer stands in, and says so.
            estimate = next((answer for answer in answers if answer.estimate is not None), answers[0])
        except EquipoiseError as error:
            left_out.append((planned.id, error.problems[0].found))
            continue
        own = line_of(chosen, planned)
        endpoint = wide.model.endpoints[planned.estimand.endpoint]
        rows.append(
            Universe(
                id=planned.id,
                definition=planned.estimand.endpoint,
                label=endpoint.label or planned.estimand.endpoint,
                kind=SHAPES[endpoint.shape],
                library=planned.estimand.endpoint in library,
                rule=rule,
                estimator=estimate.estimator,
                covariates="+".join(planned.analysis.covariates) or "none",
                scale=estimate.scale,
                estimate=estimate.estimate,
                ci_lower=estimate.ci_lower,
                ci_upper=estimate.ci_upper,
                p_value=estimate.p_value,
                arm=str(estimate.arm),
                reference=str(estimate.reference),
                favours=favoured(wide, planned.estimand, estimate),
                n_analysed=estimate.n_analysed,
                planned=own,
                prespecified=bool(own and chosen.model.analyses[own].prespecified),
                published=own in published,
                analysis_set=planned.analysis.analysis_set,
                unit=_unit(endpoint, planned.estimand.endpoint) if estimate.scale == "mean_difference" else "",
                warnings=estimate.warnings,
            )
        )
    return Multiverse(
        protocol=chosen.id,
        title=chosen.model.trial.title,
        arm=asked.treatments.experimental,
        reference=str(asked.treatments.reference),
        origin=data.source.origin,
        provenance={
            "protocol_hash": chosen.hash,
            "data_hash": data.data_hash,
            "version": program_version(),
            "choices_hash": sha256_value([row.id for row in rows]),
            "imputed_sets": sets,
        },
        is_private=data.source.is_private,
        universes=tuple(rows),
        left_out=tuple(left_out),
        not_applicable=without,
    )


def _unit(endpoint: object, id: str) -> str:
    """The unit of a number: of a definition of the library, or the endpoint's own; else what it is a number of."""
    known = {f"{LIBRARY}{name.lower().replace('_', '-')}": entry for name, entry in definitions().items()}
    if id in known:
        return known[id].unit or "number"
    return getattr(endpoint, "unit", None) or str(getattr(endpoint, "kind", "number")).replace("-", " ")


def write_multiverse(found: Multiverse, out: str | Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write ``multiverse.csv``, ``multiverse.json`` and a specification curve a scale; whole or not at all."""
    from equipoise.reporting.figures.specification_curve import axes_of, draw_specification_curve

    folder = OutputFolder(out, kind="multiverse", force=force, private=found.is_private)
    folder.require_free()
    names = []
    with folder as partial:
        where = Path(partial)
        text = io.StringIO()
        is_simulated = "true" if found.origin == "simulated" else "false"
        keys = list(found.universes[0].as_row()) if found.universes else []
        writer = csv.DictWriter(text, [*keys, "simulated"], lineterminator="\n")
        writer.writeheader()
        for row in found.universes:
            writer.writerow({**row.as_row(), "warnings": "; ".join(row.warnings), "simulated": is_simulated})
        (where / "multiverse.csv").write_text(text.getvalue(), "utf-8", newline="\n")
        body = {
            "protocol": found.protocol,
            "origin": found.origin,
            "provenance": found.provenance,
            "caution": CAUTION,
            "count": found.count(),
            "definitions": found.count_definitions(),
            "universes": [row.as_row() for row in found.universes],
            "left_out": [{"id": id, "why": why} for id, why in found.left_out],
            "not_applicable": [{"definition": name, "why": why} for name, why in found.not_applicable],
        }
        (where / "multiverse.json").write_text(
            json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8", newline="\n"
        )
        names = ["multiverse.csv", "multiverse.json"]
        stamp = "SIMULATED" if found.origin == "simulated" else None
        for scale, unit in axes_of(found.universes):
            drawing = draw_specification_curve(
                [u for u in found.universes if (u.scale, u.unit) == (scale, unit)],
                scale,
                arm=found.arm,
                reference=found.reference,
                unit=unit,
            )
            name = f"specification-curve-{'-'.join(re.findall('[a-z0-9]+', f'{scale} {unit}'.lower()))}.svg"
            (where / name).write_text(drawing.svg(stamp), "utf-8", newline="\n")
            names.append(name)
    return tuple(Path(out) / name for name in names)
