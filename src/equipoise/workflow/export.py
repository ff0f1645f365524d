"""Records, and with a protocol what its endpoints came to, as files that SPSS, Stata, SAS, R and others open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from equipoise.exchange.records_files import read_records
from equipoise.exchange.simulated_column import with_simulated
from equipoise.exchange.statistics_files.export import Export, write_export
from equipoise.exchange.statistics_files.labelled import (
    YES_NO,
    Kind,
    LabelledTable,
    Variable,
    coded,
    labelled_tables,
    numbered,
    table_label,
)
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.workflow.endpoints import derive_all
from equipoise.workflow.library import read_protocol


def export_records(
    records: Records | str | Path,
    out: str | Path,
    *,
    to: str,
    protocol: Protocol | str | Path | None = None,
    reasons_missing: bool = False,
    force: bool = False,
    told: Callable[[str], None] = lambda text: None,
) -> Export:
    """Write ``records`` (or the folder that holds them) as files for other programs, with labels and a codebook.

    ``to`` is ``spss``, ``stata``, ``xpt``, ``rds``, ``parquet`` or ``csv``. With ``protocol``, arms and baseline
    variables carry its labels, and a table ``endpoints`` holds the result of each endpoint, by participant and
    visit. With ``reasons_missing``, SPSS and Stata treat samples that were missed, not due or not evaluable as missing,
    each with its reason. Raises what reading the records raises, and :class:`OutputError` with every value that ``to``
    cannot hold.

    >>> made = equipoise.export_records(records, "for-r", to="csv", protocol="smoking-cessation")
    >>> sorted(made.files)
    ['allocations', 'daily_use', 'endpoints', 'participants']
    """
    data = records if isinstance(records, Records) else read_records(records)
    chosen = read_protocol(protocol) if isinstance(protocol, str | Path) else protocol
    tables = labelled_tables(data, chosen)
    if chosen is not None:
        tables.append(_endpoints(chosen, data))
    return write_export(data, tables, out, to=to, reasons_missing=reasons_missing, force=force, told=told)


def _endpoints(protocol: Protocol, records: Records) -> LabelledTable:
    """What every endpoint came to, endpoints and arms labelled as the protocol has them."""
    table, _ = derive_all(protocol, records)
    frame = with_simulated("endpoints", table, records.is_simulated)
    endpoints = [(id, protocol.endpoint_label(id)) for id in protocol.model.endpoints]
    arms = [(arm, protocol.arm_label(arm)) for arm in protocol.arm_ids]
    known: dict[str, tuple[Kind, str, str, tuple[tuple[int, str, str], ...]]] = {
        "participant_id": ("text", "participant", "", ()),
        "arm": ("coded", "arm allocated", "", numbered(arms)),
        "endpoint": ("coded", "endpoint", "", numbered(endpoints)),
        "kind": ("text", "kind of endpoint", "", ()),
        "visit": ("text", "visit, where the endpoint has one result a visit", "", ()),
        "week": ("number", "week of the visit", "weeks", ()),
        "value": ("number", "value; of a yes or no 1 or 0", "", ()),
        "time": ("number", "time to the event or to the last day without it", "days", ()),
        "event": ("yes-no", "the event happened", "", YES_NO),
        "cause": ("text", "what the event was", "", ()),
        "imputed": ("yes-no", "the value rests on a rule for what is missing", "", YES_NO),
        "simulated": ("yes-no", "the participant is fictional, made by simulation", "", YES_NO),
    }
    variables = tuple(Variable(name, *known.get(name, ("whole", name, "", ()))) for name in frame.columns)
    held = pl.DataFrame([coded(variable, frame[variable.name]) for variable in variables])
    return LabelledTable("endpoints", table_label(records, "endpoints"), variables, held)
