"""Whatever records hold, files give it back; whatever files hold, reading ends in records or in named problems."""

from __future__ import annotations

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equipoise.exchange.own_tables.convert import import_table
from equipoise.exchange.records_files import read_records, write_records
from equipoise.foundation.errors import EquipoiseError
from equipoise.records import TABLES, DataSource, Records
from equipoise.records.check import check_records
from equipoise.records.schema import URINE_RESULTS

# Lone surrogates cannot be written as UTF-8, NUL cannot stand in a text file: neither occurs in a table of a trial.
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=12)
IDS = st.lists(TEXT.filter(bool), min_size=1, max_size=6, unique=True)
DAYS = st.integers(-400, 4000).filter(bool)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def any_records(draw: st.DrawFn) -> Records:
    ids = draw(IDS)
    participants = {
        "participant_id": ids,
        "consented": [True] * len(ids),
        "site": [draw(st.none() | TEXT) for _ in ids],
        "whole": pl.Series([draw(st.none() | st.integers(-(2**63), 2**63 - 1)) for _ in ids], dtype=pl.Int64),
        "number": pl.Series([draw(st.none() | NUMBERS) for _ in ids], dtype=pl.Float64),
        "words": pl.Series([draw(st.none() | TEXT) for _ in ids], dtype=pl.String),
        "truth": pl.Series([draw(st.none() | st.booleans()) for _ in ids], dtype=pl.Boolean),
    }
    keys = draw(st.lists(st.tuples(st.sampled_from(ids), DAYS, TEXT.filter(bool)), unique=True, max_size=8))
    urine = {
        "participant_id": pl.Series([k[0] for k in keys], dtype=pl.String),
        "day": pl.Series([k[1] for k in keys], dtype=pl.Int64),
        "substance": pl.Series([k[2] for k in keys], dtype=pl.String),
        "result": pl.Series([draw(st.sampled_from(URINE_RESULTS)) for _ in keys], dtype=pl.String),
    }
    details = draw(st.dictionaries(TEXT, st.none() | st.integers() | TEXT, max_size=3))
    source = DataSource("captured", draw(TEXT), draw(TEXT), draw(TEXT), details)
    return Records({"participants": pl.DataFrame(participants), "urine": pl.DataFrame(urine)}, source)


def values_of(records: Records) -> dict[str, list[str]]:
    """Rows in a fixed order, empty text as nothing, a minus zero as the zero it is in files."""

    def plain(value: object) -> object:
        if isinstance(value, float):
            return value + 0.0
        return None if value == "" else value

    return {
        name: sorted(repr([plain(value) for value in row]) for row in frame.iter_rows())
        for name, frame in records.tables.items()
    }


def with_number(number: float) -> Records:
    frame = pl.DataFrame({"participant_id": ["P1"], "consented": [True], "number": [number]})
    return Records({"participants": frame}, DataSource("captured", "d", "p", "h", {}))


def require_named(error: EquipoiseError) -> None:
    assert error.problems
    assert all(problem.code and problem.found and problem.file for problem in error.problems)


@settings(max_examples=60, deadline=None)
@given(any_records(), st.sampled_from(["csv", "parquet"]))
@example(with_number(-0.0), "csv")
@example(with_number(-0.0), "parquet")
def test_records_survive_files(records: Records, form: str) -> None:
    with TemporaryDirectory() as place:
        folder = write_records(records, Path(place) / "r", tables_as=form)  # type: ignore[arg-type]
        again = read_records(folder)
    assert values_of(again) == values_of(records)
    assert again.source == records.source
    assert "edited_files" not in again.source.details
    assert check_records(again) == []


@settings(max_examples=120, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(["participants.csv", "urine.csv", "records.json"]))
def test_damage_to_any_byte_ends_in_records_or_in_named_problems(rng: random.Random, name: str) -> None:
    records = Records(
        {
            "participants": pl.DataFrame(
                {"participant_id": ["P1", "P2"], "consented": [True, True], "age": [30, 40], "note": ['a "b"', "c\nd"]}
            ),
            "urine": pl.DataFrame(
                {
                    "participant_id": ["P1", "P2"],
                    "day": [3, -2],
                    "substance": ["x", "y"],
                    "result": ["positive", "negative"],
                }
            ),
        },
        DataSource("imported", "d", "p", "h", {}),
    )
    with TemporaryDirectory() as place:
        folder = write_records(records, Path(place) / "r")
        raw = bytearray((folder / name).read_bytes())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(raw) or 1)
            match rng.randrange(4):
                case 0:
                    raw[at : at + 1] = bytes([rng.randrange(256)])
                case 1:
                    del raw[at : at + rng.randint(1, 20)]
                case 2:
                    raw[at:at] = rng.choice(
                        [b",", b'"', b"\n", b"\r", b"\xff", b"{", b"null", b"0", b"-1", b"\xc3\xbc"]
                    )
                case _:
                    raw = raw[: max(at, 1)]
        (folder / name).write_bytes(bytes(raw))
        try:
            read_records(folder)
        except EquipoiseError as error:
            require_named(error)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["id", "x.csv", "name", "urine", "day", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "file",
                    "columns",
                    "where",
                    "long",
                    "spans",
                    "types",
                    "participant_id",
                    "column",
                    "value",
                    "recode",
                    "date",
                    "until",
                    "event",
                    "is",
                    "substance",
                    "from-day",
                    "counted-from",
                    "consented",
                    "empty",
                    "times",
                    "otherwise",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*TABLES, "other"]), JUNK, max_size=3), JUNK)
def test_any_mapping_ends_in_records_or_in_named_problems(tables: dict[str, object], anchor: object) -> None:
    spec = {
        "equipoise-mapping": 1,
        "protocol": "p",
        "anchor": anchor,
        "tables": {"participants": JUNK_PEOPLE, **tables},
    }
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "x.csv").write_text("id,name,day\n1,a,2024-01-01\n2,b,x\n")
        (folder / "m.yaml").write_text(json.dumps(spec))
        try:
            import_table(folder / "m.yaml")
        except EquipoiseError as error:
            require_named(error)


JUNK_PEOPLE = {"file": "x.csv", "columns": {"participant_id": "id", "consented": True}}
