"""Bundled trials as SDTM: what must hold of every dataset, and files that hold the cells of the datasets."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat
import pytest

from equipoise.exchange.cdisc.datasets import CdiscDataset
from equipoise.exchange.cdisc.export import head_of, write_cdisc
from equipoise.exchange.cdisc.read_dataset_json import read_dataset_json
from equipoise.exchange.cdisc.sdtm import make_sdtm
from equipoise.exchange.cdisc.study import SdtmStudy
from equipoise.exchange.cdisc.vocabulary import ORDER, variables_of

from .studies import FLAGSHIP, SHARED, simulated, study_of

TRIALS = (FLAGSHIP, "ketamine-cocaine-crossover", "ketamine-kpt-heroin-dose", "biopsychosocial-programme")


def check(study: SdtmStudy, datasets: list[CdiscDataset]) -> None:
    """What the guide asks of datasets, and what this export promises."""
    by_name = {d.name: d for d in datasets}
    order = [name for one in ORDER for name in (one, f"SUPP{one}") if name in by_name]
    assert [d.name for d in datasets] == order
    people = set(by_name["DM"].frame["USUBJID"].to_list())
    planned = set(by_name["TV"].frame["VISITNUM"].to_list())
    seen = {(u, v) for u, v in by_name["SV"].frame.select("USUBJID", "VISITNUM").iter_rows()}
    for dataset in datasets:
        names = [v.name for v in dataset.variables]
        guide = [v.name for v in variables_of("SUPPQUAL" if dataset.name.startswith("SUPP") else dataset.name)]
        assert names == dataset.frame.columns == [n for n in guide if n in names], dataset.name
        assert all(len(v.name) <= 8 and len(v.label.encode()) <= 40 for v in dataset.variables)
        for spec in variables_of(dataset.name):
            if spec.core != "Perm":
                assert spec.name in names, (dataset.name, spec.name)
            if spec.core == "Req":
                assert dataset.frame[spec.name].null_count() == 0, (dataset.name, spec.name)
        assert not dataset.frame.select(dataset.keys).is_duplicated().any()
        assert dataset.frame.equals(dataset.frame.sort(dataset.keys, nulls_last=True, maintain_order=True)), (
            dataset.name
        )
        if "USUBJID" in names:
            assert set(dataset.frame["USUBJID"].to_list()) <= people
        if "VISITNUM" in names and "USUBJID" in names:
            for subject, number in dataset.frame.select("USUBJID", "VISITNUM").iter_rows():
                assert number is None or number in planned or (subject, number) in seen
        for series in dataset.frame:
            if series.dtype == pl.String:
                assert (series.str.len_bytes().max() or 0) <= 200
    for name in study.records.tables:
        assert study.account.rows_of(name) == study.records[name].height, name


@pytest.mark.parametrize("name", TRIALS)
def test_every_dataset_keeps_the_guide_and_every_row_is_accounted_for(name: str) -> None:
    protocol, records = simulated(name)
    for dated in (False, True):
        study = study_of(protocol, records, dated=dated)
        datasets = make_sdtm(study)
        check(study, datasets)
        dates = [
            series
            for d in datasets
            if not d.is_reference
            for series in d.frame
            if series.name.endswith("DTC") and series.null_count() < series.len()
        ]
        assert bool(dates) is dated  # no date is invented


def test_study_days_are_those_that_the_dates_give() -> None:
    protocol, records = simulated(FLAGSHIP)
    datasets = make_sdtm(study_of(protocol, records, dated=True))
    starts = dict(datasets[5].frame.select("USUBJID", "RFSTDTC").iter_rows())
    n = 0
    for dataset in datasets:
        for name in dataset.frame.columns:
            day = name.removesuffix("DTC") + "DY"
            if not name.endswith("DTC") or day not in dataset.frame.columns:
                continue
            for subject, on, said in dataset.frame.select("USUBJID", name, day).iter_rows():
                if on is None:
                    continue
                elapsed = (date.fromisoformat(on) - date.fromisoformat(starts[subject])).days
                assert said == (elapsed + 1 if elapsed >= 0 else elapsed), (dataset.name, name)
                n += 1
    assert n > 20_000


def files_of(name: str, folder: Path, *, dated: bool = True) -> tuple[list[CdiscDataset], Path]:
    protocol, records = simulated(name)
    study = study_of(protocol, records, dated=dated)
    datasets = make_sdtm(study)
    head = head_of(study.id, protocol, records, "SDTMIG", "3.4")
    write_cdisc(datasets, study.account, head, folder, further={})
    return datasets, folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[CdiscDataset], Path]:
    return files_of("ketamine-cocaine-crossover", tmp_path_factory.mktemp("cdisc") / "sdtm")


def test_both_forms_hold_the_cells_of_the_dataset(written: tuple[list[CdiscDataset], Path]) -> None:
    datasets, folder = written
    for dataset in datasets:
        read = read_dataset_json(folder / f"simulated-{dataset.name.lower()}.json")
        assert read.notes == ()
        assert read.frame.cast(dict(dataset.frame.schema)).equals(dataset.frame)  # type: ignore[arg-type]
        theirs, said = pyreadstat.read_xport(folder / f"simulated-{dataset.name.lower()}.xpt", output_format="polars")
        assert said.table_name == dataset.name
        assert said.file_label.startswith("SIMULATED ")
        assert [said.column_names_to_labels[v.name] for v in dataset.variables] == [v.label for v in dataset.variables]
        for series in dataset.frame:
            own = theirs[series.name]
            if series.dtype == pl.String:
                own = own.cast(pl.String).set(own == "", None) if own.dtype == pl.String else own.cast(pl.String)
                assert own.eq_missing(series).all(), (dataset.name, series.name)
            else:
                assert own.cast(pl.Float64).eq_missing(series).all(), (dataset.name, series.name)


def test_pandas_reads_the_transport_files_too(written: tuple[list[CdiscDataset], Path]) -> None:
    pandas = pytest.importorskip("pandas")
    datasets, folder = written
    for dataset in datasets:
        theirs = pandas.read_sas(folder / f"simulated-{dataset.name.lower()}.xpt", format="xport", encoding="utf-8")
        assert list(theirs.columns) == dataset.frame.columns
        assert len(theirs) == dataset.frame.height


def test_everything_says_that_it_is_simulated(written: tuple[list[CdiscDataset], Path]) -> None:
    datasets, folder = written
    data = [p for p in folder.iterdir() if p.suffix in (".json", ".xpt") and not p.name.startswith(".")]
    assert len(data) == 2 * len(datasets)
    assert all(path.name.startswith("simulated-") for path in data)
    assert all(set(d.frame["STUDYID"].to_list()) == {"KETAMINE-COCAINE-CROSSOVER-SIMULATED"} for d in datasets)
    for path in folder.glob("simulated-*.json"):
        assert json.loads(path.read_text("utf-8"))["label"].startswith("SIMULATED ")
    for name in ("define.xml", "define.html", "not-exported.html"):
        assert "SIMULATED" in (folder / name).read_text("utf-8")


def test_the_same_records_give_the_same_bytes(written: tuple[list[CdiscDataset], Path], tmp_path: Path) -> None:
    _, folder = written
    _, again = files_of("ketamine-cocaine-crossover", tmp_path / "again")
    one = {p.name: p.read_bytes() for p in folder.iterdir()}
    two = {p.name: p.read_bytes() for p in again.iterdir()}
    assert one == two
    assert len(one) > 30


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared data is not beside this checkout")
def test_files_are_valid_by_the_schema_and_by_another_checker(written: tuple[list[CdiscDataset], Path]) -> None:
    import importlib.util

    jsonschema = pytest.importorskip("jsonschema")
    spec = importlib.util.spec_from_file_location("check_exchange", SHARED / "check_exchange.py")
    assert spec is not None
    assert spec.loader is not None
    checker: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    schema = json.loads((SHARED / "dataset-json" / "schema" / "dataset.schema.json").read_text("utf-8"))
    validate = jsonschema.validators.validator_for(schema)(schema)
    paths = sorted(written[1].glob("simulated-*.json"))
    assert len(paths) == len(written[0])
    for path in paths:
        assert checker.check_dataset_json(path) == []
        assert list(validate.iter_errors(json.loads(path.read_text("utf-8")))) == []


def _cells(datasets: list[CdiscDataset], *, without: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    return {d.name: d.frame.drop(c for c in without if c in d.frame.columns).to_dicts() for d in datasets}


def test_a_missed_visit_more_is_one_more_row_of_sv_and_nothing_else() -> None:
    protocol, records = simulated("ketamine-cocaine-crossover")
    from dataclasses import replace

    whole = records["visits"]
    last = whole.filter(pl.col("state") == "attended").tail(1)
    less = replace(
        records, tables={**records.tables, "visits": whole.join(last, on=["participant_id", "visit"], how="anti")}
    )
    missed = last.with_columns(pl.lit("missed").alias("state"), pl.lit(None, dtype=pl.Int64).alias("day"))
    more = replace(records, tables={**records.tables, "visits": pl.concat([less["visits"], missed])})
    one, two = (_cells(make_sdtm(study_of(protocol, r))) for r in (less, more))
    added = [row for row in two.pop("SV") if row not in one["SV"]]
    del one["SV"]
    assert [(row["SVOCCUR"], row["SVSTDY"]) for row in added] == [("N", None)]
    assert one == two


def test_other_names_of_arms_change_nothing_but_the_arms() -> None:
    protocol, records = simulated("ketamine-cocaine-crossover")
    from dataclasses import replace

    swap = dict(zip(protocol.arm_ids, reversed(protocol.arm_ids), strict=True))
    allocated = records["allocations"].with_columns(pl.col("arm", "arm_received").replace(swap))
    other = replace(records, tables={**records.tables, "allocations": allocated})
    arms = ("ARMCD", "ARM", "ACTARMCD", "ACTARM")
    one, two = (make_sdtm(study_of(protocol, r)) for r in (records, other))
    assert _cells(one, without=arms) == _cells(two, without=arms)
    assert _cells(one) != _cells(two)
