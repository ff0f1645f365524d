"""ADaM: what the endpoints came to, by person; another program finds in ADTTE the hazard ratio of the results."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import equipoise
from equipoise.cli.main import app
from equipoise.exchange.bundled import bundled_records
from equipoise.exchange.cdisc.adam import AdamParts, make_adam
from equipoise.exchange.cdisc.datasets import CdiscDataset
from equipoise.exchange.cdisc.read_dataset_json import read_dataset_json
from equipoise.exchange.cdisc.sdtm import make_sdtm
from equipoise.workflow.cdisc import _parts
from equipoise.workflow.endpoints import derive_all

from .studies import FLAGSHIP, simulated, study_of


def adam_of(name: str) -> dict[str, CdiscDataset]:
    study = study_of(*simulated(name))
    sdtm = make_sdtm(study)
    return {d.name: d for d in make_adam(study, sdtm, _parts(study))}


def test_values_are_those_that_the_endpoints_came_to() -> None:
    protocol, records = simulated(FLAGSHIP)
    datasets = adam_of(FLAGSHIP)
    table, derived = derive_all(protocol, records)
    times = table.filter(pl.col("endpoint") == "relapse").sort("participant_id")
    adtte = datasets["ADTTE"].frame.with_columns(pl.col("USUBJID").str.slice(-4).alias("id")).sort("id")
    assert adtte["AVAL"].to_list() == times["time"].to_list()
    assert adtte["CNSR"].to_list() == [float(not event) for event in times["event"].to_list()]
    values = pl.concat([d.frame.select("PARAM", "AVAL") for n, d in datasets.items() if n not in ("ADSL", "ADTTE")])
    for id, one in derived.items():
        if one.shape in ("binary", "number"):
            own = values.filter(pl.col("PARAM") == protocol.endpoint_label(id))["AVAL"]
            expected = table.filter(pl.col("endpoint") == id)["value"]
            assert own.len() == expected.len()
            assert own.sum() == pytest.approx(expected.sum(), rel=1e-12)


def test_everybody_is_in_adsl_keys_are_unique_and_names_fit() -> None:
    for name in (FLAGSHIP, "ketamine-cocaine-crossover"):
        datasets = adam_of(name)
        subjects = set(datasets["ADSL"].frame["USUBJID"].to_list())
        for dataset in datasets.values():
            assert not dataset.frame.select(dataset.keys).is_duplicated().any()
            assert set(dataset.frame["USUBJID"].to_list()) <= subjects
            assert all(len(v.name) <= 8 and len(v.label.encode()) <= 40 for v in dataset.variables)
            assert all(v.predecessor or v.method or v.comment or v.origin == "Derived" for v in dataset.variables)


def test_sets_of_analysis_are_the_protocols() -> None:
    _, records = simulated(FLAGSHIP)
    adsl = adam_of(FLAGSHIP)["ADSL"].frame
    dosed = set(records["exposure"].filter(pl.col("delivered_mg") > 0)["participant_id"].to_list())
    flagged = set(adsl.filter(pl.col("INFUSEFL") == "Y")["SUBJID"].to_list())
    assert flagged == dosed & set(records["allocations"]["participant_id"].to_list())


def test_days_of_use_are_those_that_somebody_told_of() -> None:
    protocol, records = simulated("kare")
    daily = adam_of("kare")["ADUSE"].frame.filter(pl.col("PARAM").str.starts_with("Day of use"))
    by_value = dict(daily.group_by("AVAL").len().iter_rows())
    asked = records["daily_use"].filter(pl.col("asked") & pl.col("day").is_between(1, protocol.model.calendar.last_day))
    assert sum(by_value.values()) > 0
    assert daily.filter(pl.col("ADY").is_between(1, protocol.model.calendar.last_day)).height <= asked.height
    assert set(by_value) <= {0.0, 1.0, None}


@pytest.fixture(scope="module")
def smoking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real trial's records, a mapping that says its sexes are not recorded, and its analysis datasets."""
    folder = tmp_path_factory.mktemp("smoking")
    records = bundled_records("smoking-cessation")
    assert records is not None
    (folder / "mapping.yaml").write_text("site: {id: '01', country: USA}\nsex: {everybody: U}\n", "utf-8")
    given = ["smoking-cessation", "--mapping", str(folder / "mapping.yaml")]
    data = equipoise.import_records("table", records) if not (records / "records.json").exists() else None
    if data is not None:
        equipoise.write_records(data, folder / "records")
    source = str(folder / "records") if data is not None else str(records)
    done = CliRunner().invoke(
        app,
        ["export", "adam", given[0], source, *given[1:], "--out", str(folder / "adam")],
    )
    assert done.exit_code == 0, done.output
    return folder


def test_another_program_finds_the_hazard_ratio_of_the_results(smoking: Path) -> None:
    lifelines, pandas = pytest.importorskip("lifelines"), pytest.importorskip("pandas")
    frame = read_dataset_json(smoking / "adam" / "adtte.json").frame
    results = equipoise.analyse("smoking-cessation", equipoise.read_records(smoking / "records"))
    estimate = next(e for e in results.estimates if e.scale == "hazard_ratio" and e.estimator == "cox")
    label = equipoise.read_protocol("smoking-cessation").arm_label(estimate.arm)
    param = frame.filter(pl.col("PARAMCD") == "RELAPSE")
    assert param.height == 125
    data = param.select(
        pl.col("AVAL").alias("time"),
        (pl.col("CNSR") == 0).cast(pl.Int64).alias("event"),
        (pl.col("TRTP") == label).cast(pl.Int64).alias("arm"),
    )
    data = pandas.DataFrame(data.to_dict(as_series=False))
    fit = lifelines.CoxPHFitter().fit(data, "time", "event")
    # two Newton iterations of the same likelihood: equal to what both stop at
    assert float(fit.hazard_ratios_["arm"]) == pytest.approx(estimate.estimate, rel=1e-6)
    assert int(data["event"].sum()) == estimate.n_events


def test_of_a_cut_without_arms_there_are_people_and_no_treatments() -> None:
    from dataclasses import replace

    protocol, records = simulated(FLAGSHIP)
    nobody = records["allocations"].with_columns(
        pl.lit(None, dtype=pl.String).alias("arm"),
        pl.lit(None, dtype=pl.String).alias("arm_received"),
    )
    source = replace(records.source, details={**records.source.details, "edition": "blinded"})
    for edition in ("blinded", "sham"):
        source = replace(records.source, details={**records.source.details, "edition": edition})
        tables = {**records.tables, "allocations": nobody} if edition == "blinded" else records.tables
        study = study_of(protocol, replace(records, tables=tables, source=source))
        made = make_adam(study, make_sdtm(study), _parts(study))
        assert [d.name for d in made] == ["ADSL"]
        assert not {"TRT01P", "TRT01A", "ARM", "ARMCD", "ACTARM"} & set(made[0].frame.columns)
        assert dict(study.account.left_out())["ADTTE"].startswith("the data cut shows no arms")
    assert make_adam(study, [], AdamParts()) == []


def test_sdtm_of_a_sham_cut_holds_nothing_of_its_dummy_arms() -> None:
    from dataclasses import replace

    protocol, records = simulated(FLAGSHIP)
    source = replace(records.source, details={**records.source.details, "edition": "sham"})
    study = study_of(protocol, replace(records, source=source))
    datasets = {d.name: d for d in make_sdtm(study)}
    assert not {"EX", "EC", "VS", "SE"} & set(datasets)
    dm = datasets["DM"].frame
    assert dm.select("ARM", "ARMCD", "ACTARM", "ACTARMCD").null_count().row(0) == (dm.height,) * 4
    assert "ASSIGNED, NOT TREATED" not in dm["ARMNRS"].to_list()
    people = [d for d in datasets.values() if not d.is_reference]
    text = " ".join(
        str(v) for d in people for series in d.frame if series.dtype == pl.String for v in series.unique().to_list()
    )
    assert "midazolam" not in text.lower()
    for name in records.tables:
        assert study.account.rows_of(name) == records[name].height, name


def test_an_export_without_a_dataset_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    equipoise.write_records(simulated(FLAGSHIP)[1], tmp_path / "records")
    words = ["export", "adam", FLAGSHIP, str(tmp_path / "records"), "--out", str(tmp_path / "adam"), "--json"]
    run = CliRunner().invoke(app, words)
    problem = json.loads(run.stdout)["problems"][0]
    assert (run.exit_code, problem["code"], problem["place"]) == (4, "R606", "--mapping")
    assert "ADSL" in problem["found"]
    assert [path.name for path in tmp_path.iterdir()] == ["records"]
