"""The verbs of endpoints: score words by the published definitions, derive a protocol's endpoints on records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from equipoise.endpoints import derive_endpoint, read_lattice
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.stages import stage_of_endpoint
from equipoise.exchange.csv import read_csv_text
from equipoise.exchange.records_files import read_records
from equipoise.foundation.errors import OutputError, Problem, RecordsError, UsageError, listed
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import require_records

CODES = {
    "O020": "An output file exists already, or cannot be written.",
    "U606": "A table of patterns has no column word.",
}
LONG = ("replicate", "participant_id", "arm", "endpoint", "kind", "visit", "week", "value", "time", "event", "cause")


@dataclass(frozen=True)
class ScoredWords:
    """What scoring words made: the table, columns it replaced, and each definition's coded warnings."""

    table: pl.DataFrame
    n_words: int
    lengths: tuple[int, int]
    replaced: tuple[str, ...]
    warnings: dict[str, tuple[str, ...]]


def score_words(path: Path, *, length: int | None = None, names: Sequence[str] = ()) -> ScoredWords:
    """The values of the published definitions (or of those named) beside a table with a column ``word``.

    Raises for a table that cannot be read, a table without the column, letters outside the alphabet, and, where
    ``length`` is given, words of another length.
    """
    from equipoise.endpoints.patterns.library import reference_definitions, require_definition
    from equipoise.endpoints.patterns.pattern import read_words
    from equipoise.endpoints.patterns.tables import score_definitions

    chosen = [require_definition(name) for name in dict.fromkeys(names)] or reference_definitions()
    beside = [definition.name for definition in chosen if len(definition.on) > 1]
    if beside:
        raise UsageError(
            Problem(
                "U606",
                "--definition",
                f"{listed(beside, conjunction='and')} looks at more than one pattern.",
                "a definition of one pattern",
                "Derive it on records: `equipoise endpoints apply --help`.",
            )
        )
    table, problems = read_csv_text(path)
    if table is None:
        raise RecordsError(problems)
    if "word" not in table.columns:
        raise UsageError(
            Problem(
                "U606",
                "header",
                f"The table has the columns {listed(table.columns, conjunction='and')}.",
                "a column word",
                "Name the column of use patterns word.",
                str(path),
                1,
            )
        )
    pattern = read_words(table.frame["word"], length=length, file=str(path), lines=table.lines)
    values, warnings = score_definitions(chosen, pattern)
    replaced = tuple(name for name in table.columns if name in values.columns)
    sizes = pattern.length
    lengths = (int(sizes.min()), int(sizes.max())) if pattern.n else (0, 0)
    beside_values = table.frame.drop(replaced).hstack(values.get_columns())
    return ScoredWords(beside_values, pattern.n, lengths, replaced, warnings)


def derive_all(
    protocol: Protocol | str | Path, records: Records | str | Path
) -> tuple[pl.DataFrame, dict[str, Derived]]:
    """Every endpoint of a protocol on records: one tidy table, and what each endpoint came to.

    A row is a participant and endpoint, or a participant, endpoint and visit; a value that does not exist is null.
    Yes or no is 1 or 0. ``time`` is in days; ``event`` is 1 or 0; ``imputed`` says that the value rests on a rule for
    what is missing.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    data = records if isinstance(records, Records) else read_records(records)
    require_records(chosen, data)
    # An endpoint of a later stage is of those randomized again, its days counted as that stage counts them.
    stages = {id: stage_of_endpoint(chosen, id) for id in chosen.model.endpoints}
    lattices = {number: read_lattice(chosen, data, stage=number) for number in sorted({1, *stages.values()})}
    derived = {id: derive_endpoint(lattices[number], id) for id, number in stages.items() if lattices[number].n}
    parts = [_long(one) for one in derived.values()]
    schema: dict[str, pl.DataType] = {name: pl.String() for name in ("endpoint", "kind", "visit", "cause")}
    schema.update({name: pl.Float64() for name in ("week", "value", "time")})
    schema.update({name: pl.Int32() for name in ("event", "imputed")})
    frame = pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame(schema=schema)
    for name, dtype in schema.items():
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=dtype).alias(name))
    order = [name for name in (*LONG, "imputed") if name in frame.columns]
    return frame.select(order), derived


def _long(derived: Derived) -> pl.DataFrame:
    table = derived.table().with_columns(endpoint=pl.lit(derived.endpoint), kind=pl.lit(derived.kind))
    if "time" in table.columns:
        known = pl.col("time").is_not_nan()
        table = table.with_columns(
            time=pl.when(known).then(pl.col("time")),
            event=pl.when(known).then(pl.col("event").cast(pl.Int32)),
        )
    if "value" in table.columns:
        table = table.with_columns(pl.col("value").cast(pl.Float64))
    if "imputed" in table.columns:
        table = table.with_columns(pl.col("imputed").cast(pl.Int32))
    return table


def write_table(
    table: pl.DataFrame, path: Path, *, force: bool = False, private: bool = False, simulated: bool | None = None
) -> None:
    """Write a CSV file, whole or not at all; raises O020 where it is there already and ``force`` is off.

    ``private`` leaves it to the account that writes it alone. With ``simulated`` a column of that name says of each row
    whether it is of fictional participants.
    """
    require_free_file(path, force=force)
    if simulated is not None:
        table = table.with_columns(simulated=pl.lit(simulated))
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666))
        table.write_csv(partial, null_value="")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        said = "no such folder" if isinstance(error, FileNotFoundError) else (error.strerror or "no room").lower()
        raise OutputError(
            Problem("O020", "OUT", f"{path} cannot be written: {said}.", "a file in a folder that is there", "")
        ) from None


def require_free_file(path: Path, *, force: bool = False) -> None:
    """Refuse a path that is a folder, or that holds a file which may not be replaced."""
    if path.is_dir():
        raise OutputError(Problem("O020", "OUT", f"{path} is a folder.", "the name of a file", "Name a file."))
    if path.exists() and path.stat().st_size and not force:
        raise OutputError(
            Problem("O020", "OUT", f"{path} is there already.", "a new file", "Name another file, or add --force.")
        )
