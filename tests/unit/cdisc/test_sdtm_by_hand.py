"""A few rows of records, and what SDTM's guide makes of each of them, worked out by hand."""

from __future__ import annotations

from typing import Any

import equipoise
from equipoise.exchange.cdisc.sdtm import make_sdtm

from .studies import FLAGSHIP, by_hand, study_of

VISITS = [
    {"participant_id": "A", "visit": "admission", "target_day": 1, "day": 1, "state": "attended"},
    {"participant_id": "A", "visit": "day-9", "target_day": 9, "day": None, "state": "missed"},
    {"participant_id": "A", "visit": "fall at home", "target_day": None, "day": 3, "state": "attended"},
    {"participant_id": "A", "visit": "day-12", "target_day": 12, "day": None, "state": "not_expected"},
]
ALLOCATED = [{"participant_id": "A", "stage": 1, "day": 2, "arm": "ketamine", "arm_received": "ketamine"}]
DOSE = {"participant_id": "A", "intervention": "ketamine-infusion", "day": 2, "route": "intravenous"}


def made(tables: dict[str, list[dict[str, Any]]], **options: Any) -> tuple[dict[str, list[dict[str, Any]]], Any]:
    records = by_hand({"allocations": ALLOCATED, **tables}, **options.pop("details", {}))
    study = study_of(equipoise.read_protocol(FLAGSHIP), records, **options)
    datasets = {d.name: d.frame.to_dicts() for d in make_sdtm(study)}
    for name in records.tables:
        assert study.account.rows_of(name) == records[name].height, name
    return datasets, study


def only(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_everybody_who_consented_is_in_dm_with_the_reason_for_having_no_arm() -> None:
    datasets, _ = made({})
    rows = [
        only(r, "SUBJID", "USUBJID", "SEX", "ARMCD", "ARM", "ACTARMCD", "ARMNRS", "RFSTDTC") for r in datasets["DM"]
    ]
    study = FLAGSHIP.upper()
    assert rows == [
        ("A", f"{study}-001-A", "M", "KETAMINE", "Ketamine + MBRP", "KETAMINE", None, None),
        ("B", f"{study}-001-B", "F", None, None, None, "SCREEN FAILURE", None),
    ]


def test_whoever_was_allocated_and_not_treated_has_an_arm_and_no_actual_arm() -> None:
    untreated = [{**ALLOCATED[0], "arm_received": None}]
    datasets, _ = made({"allocations": untreated})
    assert only(datasets["DM"][0], "ARMCD", "ACTARMCD", "ARMNRS") == ("KETAMINE", None, "ASSIGNED, NOT TREATED")


def test_visits_kept_missed_and_unscheduled() -> None:
    datasets, study = made({"visits": VISITS}, dated=True)
    names = ("VISITNUM", "VISIT", "SVPRESP", "SVOCCUR", "VISITDY", "SVSTDTC", "SVSTDY", "SVUPDES")
    # day 1 of A is 2026-02-27; day 3 is the 1st of March; the visit after the second planned one is 2.1
    assert [only(r, *names) for r in datasets["SV"]] == [
        (1.0, "admission", "Y", "Y", 1.0, "2026-02-27", 1.0, None),
        (2.1, "fall at home", None, None, None, "2026-03-01", 3.0, "fall at home"),
        (4.0, "day-9", "Y", "N", 9.0, None, None, None),
    ]
    assert any("not expected" in line["reason"] for line in study.account.lines if line["table"] == "visits")


def test_urine_is_positive_or_negative_and_a_missed_sample_is_not_done() -> None:
    rows = [
        {"participant_id": "A", "visit": "admission", "day": 1, "substance": "cocaine", "result": "positive"},
        {"participant_id": "A", "visit": "day-9", "day": 9, "substance": "cocaine", "result": "missed"},
        {"participant_id": "A", "visit": "day-12", "day": 12, "substance": "cocaine", "result": "not_evaluable"},
        {"participant_id": "A", "visit": "day-16", "day": 16, "substance": "cocaine", "result": "not_expected"},
        {"participant_id": "A", "visit": "day-16", "day": 16, "substance": "any-opioid", "result": "negative"},
    ]
    datasets, study = made({"urine": rows, "exposure": [DOSE]}, dated=True)
    names = ("LBTESTCD", "LBTEST", "LBORRES", "LBSTAT", "LBREASND", "LBDY", "LBDTC", "VISITNUM", "LBLOBXFL")
    assert [only(r, *names) for r in datasets["LB"]] == [
        ("COCAINE", "Cocaine", "POSITIVE", None, None, 1.0, "2026-02-27", 1.0, "Y"),
        ("COCAINE", "Cocaine", None, "NOT DONE", "VISIT MISSED", None, None, 4.0, None),
        ("COCAINE", "Cocaine", None, "NOT DONE", "NOT EVALUABLE", 12.0, "2026-03-10", 5.0, None),
    ]
    why = {line["reason"] for line in study.account.lines if line["table"] == "urine" and not line["dataset"]}
    assert len(why) == 2
    assert any("'any-opioid' has no test code" in reason for reason in why)


def test_a_day_that_was_not_asked_about_is_not_done_and_never_a_day_without_use() -> None:
    base = {"participant_id": "A", "substance": "cocaine"}
    rows = [
        {**base, "day": -1, "asked": True, "used": True, "amount": 0.5, "unit": "g"},
        {**base, "day": 1, "asked": True, "used": False},
        {**base, "day": 2, "asked": False},
        {"participant_id": "A", "substance": "any", "day": 3, "asked": True, "used": False},
    ]
    datasets, _ = made({"daily_use": rows})
    names = ("SUTRT", "SUOCCUR", "SUSTAT", "SUREASND", "SUDOSE", "SUDOSU", "SUSTDY")
    assert [only(r, *names) for r in datasets["SU"]] == [
        ("ANY SUBSTANCE", "N", None, None, None, None, 3.0),
        ("COCAINE", "Y", None, None, 0.5, "g", -1.0),
        ("COCAINE", "N", None, None, None, None, 1.0),
        ("COCAINE", None, "NOT DONE", "NOT ASKED", None, None, 2.0),
    ]


def test_an_item_left_out_does_not_vanish() -> None:
    base = {"participant_id": "A", "visit": "admission", "day": 1, "instrument": "pss-10"}
    rows = [
        {**base, "item": "10", "value": None},
        {**base, "item": "2", "value": 3.0},
        {**base, "item": "1", "value": 2.5},
    ]
    datasets, _ = made({"assessments": rows})
    names = ("QSTESTCD", "QSTEST", "QSCAT", "QSORRES", "QSSTRESN", "QSSTAT")
    assert [only(r, *names) for r in datasets["QS"]] == [
        ("PSS1001", "PSS-10-Item 1", "PSS-10", "2.5", 2.5, None),
        ("PSS1002", "PSS-10-Item 2", "PSS-10", "3", 3.0, None),
        ("PSS1010", "PSS-10-Item 10", "PSS-10", None, None, "NOT DONE"),
    ]


def test_codes_and_domains_of_instruments_come_from_the_mapping() -> None:
    rows = [{"participant_id": "A", "visit": "admission", "day": 1, "instrument": "pss-10", "item": "1", "value": 2.0}]
    items = {"1": {"code": "PSS0101", "name": "PSS01-Item 1"}}
    said = {"instruments": {"pss-10": {"domain": "RS", "category": "PSS", "items": items}}}
    datasets, _ = made({"assessments": rows}, said=said)
    assert "QS" not in datasets
    assert only(datasets["RS"][0], "RSTESTCD", "RSTEST", "RSCAT") == ("PSS0101", "PSS01-Item 1", "PSS")


def test_doses_planned_given_and_not_given() -> None:
    rows = [
        {
            **DOSE,
            "planned_mg": 40.0,
            "delivered_mg": 38.5,
            "delivered_mg_per_kg": 0.5,
            "minutes": 40.0,
            "interruptions": 1,
        },
        {**DOSE, "day": 3, "planned_mg": 40.0, "delivered_mg": 0.0},
        {**DOSE, "day": 4, "delivered_mg": None, "delivered_mg_per_kg": 0.4},
    ]
    datasets, _ = made({"exposure": rows})
    names = ("EXTRT", "EXDOSE", "EXDOSU", "EXROUTE", "EXDUR", "EXSTDY")
    assert [only(r, *names) for r in datasets["EX"]] == [
        ("KETAMINE", 38.5, "mg", "INTRAVENOUS", "PT40M", 2.0),
        ("KETAMINE", 0.4, "mg/kg", "INTRAVENOUS", None, 4.0),
    ]
    assert [only(r, "ECMOOD", "ECOCCUR", "ECDOSE", "ECSTDY") for r in datasets["EC"]] == [
        ("PERFORMED", "Y", 38.5, 2.0),
        ("SCHEDULED", None, 40.0, 2.0),
        ("PERFORMED", "N", None, 3.0),
        ("SCHEDULED", None, 40.0, 3.0),
        ("PERFORMED", "Y", None, 4.0),
    ]
    further = [only(r, "IDVARVAL", "QNAM", "QVAL") for r in datasets["SUPPEX"]]
    assert further == [("1", "DOSEKG", "0.5"), ("1", "INTERRUP", "1")]


def test_a_placebo_is_given_as_nothing() -> None:
    said = {"treatments": {"ketamine-infusion": {"placebo": True}}}
    datasets, _ = made({"exposure": [{**DOSE, "delivered_mg": 40.0}]}, said=said)
    assert only(datasets["EX"][0], "EXTRT", "EXDOSE", "EXDOSU") == ("PLACEBO", 0.0, "mg")


def test_vital_signs_by_minute_of_the_infusion() -> None:
    rows = [
        {
            "participant_id": "A",
            "intervention": "ketamine-infusion",
            "day": 2,
            "minute": 7.5,
            "systolic": 120.0,
            "pulse": 60.0,
        }
    ]
    datasets, _ = made({"vitals": rows})
    names = ("VSTESTCD", "VSORRES", "VSORRESU", "VSTPT", "VSELTM")
    assert [only(r, *names) for r in datasets["VS"]] == [
        ("PULSE", "60", "beats/min", "MINUTE 7.5", "PT7M30S"),
        ("SYSBP", "120", "mmHg", "MINUTE 7.5", "PT7M30S"),
    ]


EVENT = {"participant_id": "A", "event": 1, "term": "Headache", "severity": "fatal", "serious": True, "related": False}


def test_adverse_events_with_dates_that_are_known_to_the_month() -> None:
    # day 1 of A is 2026-02-27: days 3 to 33 are March, days 3 to 50 March and April
    rows = [
        {**EVENT, "onset_earliest_day": 3, "onset_latest_day": 33, "end_day": 40, "outcome": "recovered"},
        {**EVENT, "event": 2, "severity": "mild", "serious": False, "onset_earliest_day": 3, "onset_latest_day": 50},
    ]
    datasets, study = made({"adverse_events": rows}, dated=True)
    names = ("AEDECOD", "AESEV", "AESER", "AEREL", "AEOUT", "AESTDTC", "AEENDTC", "AEENDY", "AESDTH")
    assert [only(r, *names) for r in datasets["AE"]] == [
        ("Headache", "SEVERE", "Y", "NOT RELATED", "RECOVERED/RESOLVED", "2026-03", "2026-04-07", 40.0, "Y"),
        ("Headache", "MILD", "N", "NOT RELATED", None, "2026", None, None, None),
    ]
    assert "AESTDY" not in datasets["AE"][0]  # nobody knows the day
    assert study.account.rows_of("adverse_events") == 2


def test_without_codes_there_is_no_ae_and_the_list_says_how_many_rows_that_is() -> None:
    datasets, study = made({"adverse_events": [EVENT]}, coded=False)
    assert "AE" not in datasets
    assert dict(study.account.left_out())["AE"].startswith("1 of 1 terms have no AEDECOD: Headache")
    assert study.account.n_not_exported >= 1


def test_how_people_left_is_told_only_in_terms_that_somebody_gave() -> None:
    rows = [
        {"participant_id": "A", "event": "study_withdrawal", "day": 20, "reason": "moved to another town"},
        {"participant_id": "A", "event": "unblinding", "day": 21, "reason": "overdose"},
    ]
    datasets, study = made({"disposition": rows}, said={"reasons": {}})
    assert "DS" not in datasets
    assert "moved to another town" in dict(study.account.left_out())["DS"]
    datasets, _ = made({"disposition": rows}, said={"reasons": {"moved to another town": "OTHER"}})
    found = [only(r, "DSTERM", "DSDECOD", "DSCAT", "DSSTDY") for r in datasets["DS"]]
    assert ("moved to another town", "OTHER", "DISPOSITION EVENT", 20.0) in found
    assert ("overdose", "TREATMENT UNBLINDED", "OTHER EVENT", 21.0) in found
    assert ("too young", "SCREEN FAILURE", "DISPOSITION EVENT", None) in found
    assert ("RANDOMIZED", "RANDOMIZED", "PROTOCOL MILESTONE", 2.0) in found


def test_a_criterion_not_met_needs_its_name() -> None:
    datasets, study = made({"disposition": [{"participant_id": "A", "event": "completion", "day": 9}]})
    assert "IE" not in datasets
    assert any("which criterion" in line["reason"] for line in study.account.lines)
    datasets, _ = made(
        {"disposition": [{"participant_id": "A", "event": "completion", "day": 9}]},
        said={"criteria": {"too young": "adult"}},
    )
    assert [only(r, "IETESTCD", "IECAT", "IEORRES") for r in datasets["IE"]] == [("INADULT", "INCLUSION", "N")]


def test_outcome_events_that_happened_and_that_had_not_by_a_day() -> None:
    rows = [
        {"participant_id": "A", "term": "relapse", "day": 10, "happened": False},
        {"participant_id": "A", "term": "relapse", "day": 30, "happened": True, "certainty": "probable"},
    ]
    datasets, _ = made({"events": rows}, dated=True)
    names = ("CETERM", "CEOCCUR", "CEDTC", "CESTDTC")
    assert sorted(only(r, *names) for r in datasets["CE"]) == [
        ("RELAPSE", "N", "2026-03-08", None),
        ("RELAPSE", "Y", None, "2026-03-28"),
    ]
    assert [r["QVAL"] for r in datasets["SUPPCE"]] == ["probable"]


def test_elements_need_dates_and_follow_one_another_without_gaps() -> None:
    visits = [{**VISITS[0], "visit": "day-12", "day": 12}]
    assert "SE" not in made({"visits": visits})[0]
    datasets, _ = made({"visits": visits}, dated=True)
    rows = datasets["SE"]
    assert [only(r, "EPOCH", "SESTDTC", "SEENDTC") for r in rows] == [
        ("SCREENING", "2026-02-24", "2026-02-27"),
        ("INPATIENT", "2026-02-27", "2026-03-04"),
        ("OUTPATIENT", "2026-03-04", "2026-03-10"),
    ]


def test_a_long_text_goes_on_in_the_supplement() -> None:
    term = "é" * 150 + "x" * 200
    datasets, _ = made({"adverse_events": [{**EVENT, "term": term}]})
    parts = [datasets["AE"][0]["AETERM"], *(r["QVAL"] for r in datasets["SUPPAE"] if r["QNAM"].startswith("AETERM"))]
    assert "".join(parts) == term
    assert all(len(part.encode()) <= 200 for part in parts)


def test_without_site_country_and_sex_there_is_the_design_alone() -> None:
    datasets, study = made({"visits": VISITS}, said={"site": {}, "sex": {}})
    assert set(datasets) == {"TA", "TE", "TV", "TI", "TS"}
    assert "SITEID and COUNTRY" in study.account.left_out()[0][1]
    assert "SEX" in study.account.left_out()[0][1]
