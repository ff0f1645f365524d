"""Table 1: who was randomized, by arm and overall.

Counts with per cent for categories, mean (SD) and median (quartiles) for numbers, missing values counted. There are no
p values: a difference between randomized arms is due to chance, whatever its size (CONSORT 2025, item on baseline
data; Senn 1994, Statistics in Medicine 13:1715).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from equipoise.instruments import find_instrument
from equipoise.records.baseline_values import as_levels
from equipoise.records.records import Records
from equipoise.reporting import format as fmt
from equipoise.reporting.document import Column, Row, Table


@dataclass(frozen=True, slots=True)
class BaselineSummary:
    """A variable of the table: its column in ``participants``, name, unit, and (for a category) its levels in order."""

    column: str
    label: str
    unit: str = ""
    levels: Sequence[str] = ()


_STANDARD = {"participant_id", "site", "screened_day", "consented", "eligible", "ineligible_reason", "replicate"}

# Columns that importers make, where the column's own words say too little.
_COLUMNS = {
    "marital": "Marital status",
    "stable_housing": "In stable housing",
    "used_iv": "Has injected drugs",
    "ftnd": "Nicotine dependence (FTND, 0 to 10)",
    "detox_admission_day": "Admission for detoxification, study day",
    "detox_discharge_day": "Discharge from detoxification, study day",
}
_UNITS = {"kg": "kg", "cm": "cm", "mg": "mg", "years": "years", "mmhg": "mmHg"}


def baseline_variables(records: Records) -> list[BaselineSummary]:
    """The variables that the participants table carries beyond its fixed columns."""
    frame = records["participants"]
    return [BaselineSummary(c, column_label(c)) for c in frame.columns if c not in _STANDARD]


def column_label(column: str) -> str:
    """The name of a column that the protocol does not describe, as words: ``heroin_days_30``, ``used_iv``, ``ftnd``."""
    if column in _COLUMNS:
        return _COLUMNS[column]
    instrument = find_instrument(column.replace("_", "-"))
    if instrument is not None:
        return instrument.name
    found = re.fullmatch(r"(.+)_days_(\d+)", column)
    if found:
        return f"{_as_words(found[1])}, days of the last {found[2]}"
    measured = re.fullmatch(rf"(.+)_({'|'.join(_UNITS)})", column)
    if measured:
        return f"{column_label(measured[1])}, {_UNITS[measured[2]]}"
    text = _as_words(column.removeprefix("is_"))
    if len(text) < 6 and not re.search("[aeiouy]", text, re.IGNORECASE):
        return text.upper()  # the letters of a scale
    return re.sub(r"\b(iv|hiv|bmi|dsm|icd)\b", lambda m: m[1].upper(), text, flags=re.IGNORECASE)


def _as_words(text: str) -> str:
    """An id or a level as words: its first letter a capital, the others as they are."""
    words = text.replace("-", " ").replace("_", " ") if re.fullmatch(r"[a-z0-9_-]+", text) else text
    return words[:1].upper() + words[1:]


def build_baseline_table(
    records: Records,
    arms: Mapping[str, str],
    variables: Sequence[BaselineSummary] | None = None,
    *,
    everybody: str = "Everybody randomized",
) -> Table | None:
    """Table 1 of the participants randomized; None where no baseline variable was recorded.

    ``arms`` maps arm ids to names, reference first.
    """
    allocations = records["allocations"]
    if allocations.height == 0:
        return None
    first = allocations.filter(pl.col("stage") == allocations["stage"].min()).select("participant_id", "arm")
    frame = records["participants"].join(first, on="participant_id", how="inner")
    chosen = [
        v for v in (variables if variables is not None else baseline_variables(records)) if v.column in frame.columns
    ]
    chosen = [v for v in chosen if frame[v.column].null_count() < frame.height]
    if not chosen:
        return None
    groups = [frame.filter(pl.col("arm") == arm) for arm in arms]
    if len(arms) > 1:
        groups.append(frame)
    heads = [*arms.values(), "All"] if len(arms) > 1 else list(arms.values())
    rows: list[Row] = []
    for variable in chosen:
        rows += _variable_rows(variable, [group[variable.column] for group in groups])
    columns = (
        Column("", wide=True),
        *(Column(head, "decimal", f"n={fmt.thousands(group.height)}") for head, group in zip(heads, groups)),
    )
    return Table(
        "Baseline characteristics",
        columns,
        tuple(rows),
        subtitle=f"{everybody}, n={fmt.thousands(frame.height)}",
        footnotes=("SD: standard deviation. Percentages are of participants with a value.",),
    )


def _variable_rows(variable: BaselineSummary, series: Sequence[pl.Series]) -> list[Row]:
    whole = series[-1]
    if variable.levels or whole.dtype in (pl.String, pl.Boolean, pl.Categorical):
        return _category_rows(variable, series)
    has_unit = bool(variable.unit) and variable.unit.lower() not in variable.label.lower().split()
    head = f"{variable.label}, {variable.unit}" if has_unit else variable.label
    decimals = 1 if _spread(whole) >= 1 else 2
    rows = [
        Row((head,), "group"),
        Row(("Mean (SD)", *(_mean(s, decimals) for s in series)), indent=1),
        Row(("Median (quartiles)", *_quartile_cells(series, decimals)), indent=1),
    ]
    return rows + _missing_row(series)


def _category_rows(variable: BaselineSummary, series: Sequence[pl.Series]) -> list[Row]:
    texts = [as_levels(s) for s in series]
    seen = set(texts[-1].drop_nulls().to_list())
    levels = list(variable.levels) + sorted(seen - set(variable.levels))
    if series[-1].dtype == pl.Boolean:
        cells = [fmt.Count(int((t == "true").sum()), t.len() - t.null_count()) for t in texts]
        return [Row((variable.label, *cells)), *_missing_row(series, variable.label)]
    rows = [Row((variable.label,), "group")]
    for level in levels:
        cells = [fmt.Count(int((t == level).sum()), t.len() - t.null_count()) for t in texts]
        rows.append(Row((_as_words(level), *cells), indent=1))
    return rows + _missing_row(series)


def _missing_row(series: Sequence[pl.Series], label: str = "") -> list[Row]:
    if series[-1].null_count() == 0:
        return []
    words = f"{label}, missing" if label else "Missing"
    return [Row((words, *(fmt.Count(s.null_count()) for s in series)), indent=1)]


def _spread(series: pl.Series) -> float:
    values = series.drop_nulls().cast(pl.Float64)
    return float(values.std() or 0.0) if values.len() > 1 else 1.0  # type: ignore[arg-type]


def _mean(series: pl.Series, decimals: int) -> fmt.Cell:
    values = series.drop_nulls().cast(pl.Float64)
    if values.len() == 0:
        return "no values"
    mean, sd = values.mean(), values.std() if values.len() > 1 else None
    return fmt.MeanSD(float(mean), None if sd is None else float(sd), decimals)  # type: ignore[arg-type]


def _quartile_cells(series: Sequence[pl.Series], decimals: int) -> list[fmt.Cell]:
    """Medians and quartiles of the groups: as measured where all of them are whole numbers, else with ``decimals``."""
    known = [values for s in series if (values := s.drop_nulls().cast(pl.Float64)).len()]
    ends = [v.quantile(q, interpolation="linear") for v in known for q in (0.25, 0.5, 0.75)]
    are_whole = all(float(end or 0.0).is_integer() for end in ends)
    return [_quartiles(s, 0 if are_whole else decimals) for s in series]


def _quartiles(series: pl.Series, decimals: int) -> fmt.Cell:
    values = series.drop_nulls().cast(pl.Float64)
    if values.len() == 0:
        return "no values"
    lower, median, upper = (values.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75))
    return fmt.Quartiles(median, lower, upper, decimals)
