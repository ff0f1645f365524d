"""Values in a notebook as the report prints them: results, an estimate, an endpoint, records."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.results import Results
from equipoise.endpoints.endpoint_values import Derived
from equipoise.protocol.vocabulary.estimators import estimator_label
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.records.records import Records
from equipoise.records.schema import TABLES
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.by_arm import arm_result, what_is_shown
from equipoise.reporting.context import Material
from equipoise.reporting.direction import in_one_direction
from equipoise.reporting.document import Column, Row, Table, titled
from equipoise.reporting.findings import results_table
from equipoise.reporting.html import render_table

_STAMP = "SIMULATED"


def table_of(value: object) -> str:
    """The value as the report's own table, in HTML."""
    match value:
        case Results():
            return "".join(_html(table, value.provenance.origin == "simulated") for table in _of_results(value))
        case Estimate():
            return _html(_of_estimates("Estimate", [value]), value.simulated)
        case Derived():
            return _html(_of_endpoint(value), value.simulated)
        case Records():
            return _html(_of_records(value), value.is_simulated)
    raise TypeError(f"a {type(value).__name__} has no table")


def _html(table: Table, is_simulated: bool) -> str:
    caption = titled(table.caption, _STAMP if is_simulated else None)
    return render_table(Table(caption, table.columns, table.rows, table.subtitle, table.footnotes))


def _of_results(results: Results) -> Iterable[Table]:
    """Table 1 of the report; of results read from a file, which hold no participants, every estimate."""
    if results.lattice is not None:
        protocol = results.lattice.protocol
        told = results_table(Material(protocol, results.lattice.records, in_one_direction(protocol, results)))
        if told is not None:
            n = len(results.estimates)
            more = f"{fmt.plural(n, 'estimate')} in all: results.table(), or the tables of equipoise.report(...)."
            yield Table(told.caption, told.columns, told.rows, told.subtitle, (*told.footnotes, more))
            return
    yield _of_estimates("Results", results.estimates)


def _of_estimates(caption: str, estimates: Iterable[Estimate]) -> Table:
    rows = []
    estimates = tuple(estimates)
    for e in estimates:
        method = estimator_label(e.estimator)
        measure = scale_label(e.scale).removesuffix(", points") + (f" ({method})" if method else "")
        compared = f"{e.arm} v {e.reference}" if e.reference else str(e.arm)
        effect: fmt.Cell = "test only" if e.scale == "test" else fmt.Interval(*e.ends, e.scale)
        p = words.p_cell(e)
        n: fmt.Cell = "not known" if e.n_analysed is None else e.n_analysed
        rows.append(Row((e.id, measure, compared, effect, p, n)))
    columns = (
        Column("Analysis", wide=True),
        Column("Measure"),
        Column("Of"),
        Column(f"Estimate ({words.ci_words(estimates)})", "decimal"),
        Column("p", "decimal"),
        Column("n", "right"),
    )
    methods = dict.fromkeys(f"{words.capitalized(e.method.rstrip('.'))}." for e in estimates if e.method)
    return Table(caption, columns, tuple(rows), footnotes=tuple(methods) if len(rows) == 1 else ())


def _of_endpoint(derived: Derived) -> Table:
    """Results by arm, as Table 1 has them."""
    arm_of = derived.participants.arm
    arms = list(dict.fromkeys(str(arm) for arm in arm_of))
    cells = tuple(arm_result(derived, arm_of == arm) for arm in arms)
    counts = [int(np.sum(arm_of == arm)) for arm in arms]
    columns = (
        Column("Endpoint", wide=True),
        *(Column(a, "decimal", f"n={n}") for a, n in zip(arms, counts, strict=True)),
    )
    return Table("Results by arm", columns, (Row((derived.endpoint + what_is_shown(derived), *cells)),))


def _of_records(records: Records) -> Table:
    rows = tuple(Row((name, frame.height, TABLES[name].row)) for name, frame in records.tables.items() if frame.height)
    columns = (Column("Table"), Column("Rows", "right"), Column("One row per", wide=True))
    source = records.source
    return Table(f"Records of {source.protocol}", columns, rows or (Row(("none", 0, "no rows")),), source.description)
