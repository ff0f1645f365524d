"""Records: what happened in a trial, whoever wrote it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import polars as pl

from equipoise.foundation.errors import Problem, RecordsError
from equipoise.foundation.hashing import sha256_text, sha256_value
from equipoise.foundation.notebook import shown
from equipoise.records.frames import as_polars, to_pandas
from equipoise.records.schema import REPLICATE, TABLES

Origin = Literal["simulated", "captured", "imported"]


def _plus_zero(series: pl.Series) -> pl.Series:
    return series.set(series == 0, 0.0)


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where records come from; a report prints it on its first page.

    ``origin`` says how the records came to be; ``description`` is a sentence for people; ``details`` keeps what is
    needed to make them again (seed, replicate, scenario, model, importer, hashes of the files read, version).
    """

    origin: Origin
    description: str
    protocol: str
    protocol_hash: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_simulated(self) -> bool:
        """Whether these participants are fictional."""
        return self.origin == "simulated"

    @property
    def is_cut(self) -> bool:
        """Whether they are a data cut of a running trial: what was not due by then has no row."""
        return self.origin == "captured" or "at" in self.details

    @property
    def is_private(self) -> bool:
        """Whether files made from them are for the account alone that makes them: real people, or the true arms."""
        return self.origin == "captured" or "edition" in self.details

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What of this provenance no longer holds: files that were changed after they were written (R071)."""
        return tuple(
            Problem("R071", str(file), f"The file {file} is not as it was written: it was edited, replaced or added.")
            for file in self.details.get("edited_files", ())
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return {
            "origin": self.origin,
            "description": self.description,
            "protocol": self.protocol,
            "protocol_hash": self.protocol_hash,
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class Records:
    """The tables of one trial (or of many replicates of it), immutable.

    ``tables`` maps a table's name to its Polars frame (any eager frame may be given); a table without data has no rows.
    ``truth`` holds what only a simulator knows (true use by day): it is kept separate, and no endpoint or report
    reads it.

    >>> records.arms
    ('patch', 'triple')
    >>> records["daily_use"].columns[:5]
    ['participant_id', 'day', 'substance', 'asked', 'used']
    """

    tables: Mapping[str, pl.DataFrame]
    source: DataSource
    truth: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Order columns as the schema does; refuse a table or column that it does not know."""
        problems: list[Problem] = []
        ordered: dict[str, pl.DataFrame] = {}
        for name in self.tables:
            if name not in TABLES:
                problems.append(Problem("R001", name, f"There is no table {name!r}.", f"one of {', '.join(TABLES)}"))
        for name, table in TABLES.items():
            given = self.tables.get(name)
            if given is None:
                ordered[name] = table.empty()
                continue
            frame = as_polars(given)
            lead = [REPLICATE] if REPLICATE in frame.columns else []
            known = [*lead, *table.polars_schema]
            extra = [column for column in frame.columns if column not in known]
            if extra and not table.extra_columns:
                problems.append(
                    Problem(
                        "R002",
                        name,
                        f"Unknown columns: {', '.join(extra)}.",
                        f"columns among {', '.join(table.polars_schema)}",
                    )
                )
                continue
            absent = [column for column in table.polars_schema if column not in frame.columns]
            filled = frame.with_columns(
                [pl.lit(None, dtype=table.polars_schema[column]).alias(column) for column in absent]
            )
            whole = filled.select([*known, *extra]).cast(
                dict(table.polars_schema)  # type: ignore[arg-type]
            )
            # what nobody has of a column that came later is left away, so that older records keep their bytes and hash
            later = [c.name for c in table.columns if c.later and whole[c.name].null_count() == whole.height]
            ordered[name] = whole.drop(later)
        if problems:
            raise RecordsError(problems)
        object.__setattr__(self, "tables", MappingProxyType(ordered))
        object.__setattr__(self, "truth", MappingProxyType(dict(self.truth)))

    def __getitem__(self, name: str) -> pl.DataFrame:
        return self.tables[name]

    @property
    def is_simulated(self) -> bool:
        """Whether these participants are fictional."""
        return self.source.is_simulated

    @property
    def has_replicates(self) -> bool:
        """Whether the tables hold several replicates of the trial."""
        return REPLICATE in self.tables["participants"].columns

    def replicate(self, number: int) -> Records:
        """One replicate on its own, without the replicate key."""
        if not self.has_replicates:
            raise KeyError("these records hold one trial, not replicates")
        tables = {
            name: frame.filter(pl.col(REPLICATE) == number).drop(REPLICATE) if REPLICATE in frame.columns else frame
            for name, frame in self.tables.items()  # a table nobody filled carries no key
        }
        return replace(self, tables=tables, truth={})

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 over every table as canonical CSV, rows sorted; the same facts have the same hash."""
        parts = {}
        for name, frame in sorted(self.tables.items()):
            if frame.height:
                columns = sorted(frame.columns)
                # A covariate is a number, whether its source wrote 17 or 17.0 (the schema fixes all other types), and a
                # minus zero, which rounding can leave, is a zero.
                own = [c for c in columns if c not in TABLES[name].polars_schema and frame[c].dtype.is_integer()]
                plain = frame.select(columns).with_columns(pl.col(c).cast(pl.Float64) for c in own if c != REPLICATE)
                plain = plain.with_columns(_plus_zero(plain[c]) for c in columns if plain[c].dtype.is_float())
                parts[name] = sha256_text(plain.sort(columns).write_csv(float_precision=None))
        return sha256_value(parts)

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms that occur in the allocations, sorted."""
        return tuple(sorted(self.tables["allocations"]["arm"].drop_nulls().unique().to_list()))

    def to_pandas(self) -> dict[str, Any]:
        """Every table as a pandas frame."""
        return {name: to_pandas(frame) for name, frame in self.tables.items()}

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {frame.height:,}" for name, frame in self.tables.items() if frame.height)
        return f"<Records of {self.source.protocol}, {self.source.origin}: {counts}>"

    def _repr_html_(self) -> str:
        return shown(self)
