"""Every kind of endpoint by every estimator, summary and missing rule: refused by the tables, or it runs to the end.

A kind that is added brings an example here, or the first test fails; an estimator brings nothing but its row.
"""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from equipoise.analysis.fits import FITS
from equipoise.endpoints.derivation import DERIVE
from equipoise.foundation.errors import DesignError, SimulationError
from equipoise.instruments.library import INSTRUMENTS
from equipoise.protocol import Protocol
from equipoise.protocol.checks.references import check_model
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.protocol.language.endpoints import ENDPOINT_KINDS
from equipoise.protocol.vocabulary.endpoint_kinds import EVERY_RULE, SHAPES
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, answers, estimators_for, measured, summaries_for
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.randomization.registry import SCHEMES
from equipoise.reporting.references import REFERENCES
from equipoise.reporting.trial_report import build_report
from equipoise.workflow import analyse, read_protocol, simulate
from equipoise.workflow.multiverse import explore_multiverse
from equipoise.workflow.power import power

DOCS = Path(__file__).resolve().parents[2] / "docs"
# One example of each kind, and of each shape that a kind can come to, on the schedule of the bundled trial.
EXAMPLES: dict[str, dict] = {
    "abstinence": {"kind": "abstinence", "use": "cocaine", "days": "20..33", "at": "clinic-visit"},
    "abstinence-days": {"kind": "abstinence", "use": "cocaine", "days": "20..33"},
    "abstinent-days": {"kind": "abstinent-days", "use": "cocaine", "days": "6..33"},
    "time-to-event": {
        "kind": "time-to-event",
        "time-zero": "day 5",
        "first-of": [{"use": "cocaine"}, {"dropout": "clinic-visit"}],
        "until": "day 33",
        "visits": "clinic-visit",
    },
    "time-to-run": {
        "kind": "time-to-event",
        "time-zero": "day 5",
        "first-of": [{"use": "cocaine", "cells": "weeks", "from": 6, "length": 2}],
        "until": "day 33",
    },
    "time-to-use-with-competing": {
        "kind": "time-to-event",
        "time-zero": "day 5",
        "first-of": [{"use": "cocaine"}],
        "competing": [{"dropout": "clinic-visit"}],
        "until": "day 33",
        "visits": "clinic-visit",
    },
    "repeated-use": {"kind": "repeated-use", "use": "cocaine", "at": "clinic-visit"},
    "use-by-day": {"kind": "use-by-day", "use": "cocaine", "days": "6..12"},
    "use-by-week": {"kind": "use-by-week", "use": "cocaine", "days": "6..33"},
    "score": {"kind": "score", "assessment": "craving", "scale": "score", "at": "clinic-visit"},
    "score-log": {
        "kind": "score",
        "assessment": "craving",
        "scale": "score",
        "at": "clinic-visit",
        "log": True,
        "floor": 1,
    },
    "score-change": {
        "kind": "score",
        "assessment": "stress",
        "at": "clinic-visit",
        "value": "change",
        "baseline": "admission",
    },
    **{
        f"pattern-{gives}": {
            "kind": "pattern",
            "use": "cocaine",
            "cells": "weeks",
            "days": "6..33",
            "definition": name,
            "gives": gives,
        }
        for gives, name in (
            ("binary", "end-of-study-abstinence"),
            ("number", "Ab_fiellin_2006"),
            ("time-to-event", "Rs_lee_2016"),
        )
    },
    "report": {"kind": "report", "assessment": "telephone-report", "item": "abstinent", "at": "six-month-call"},
    "received": {
        "kind": "received",
        "intervention": {"midazolam": "midazolam-infusion", "ketamine": "ketamine-infusion"},
    },
    "score-criterion": {"kind": "score-criterion", "assessment": "stress", "visit": "day-33", "at-most": 13},
    "score-criterion-series": {
        "kind": "score-criterion",
        "assessment": "stress",
        "at": "clinic-visit",
        "at-most": 13,
    },
    "finding": {"kind": "finding", "assessment": "swab", "visit": "day-33", "better": "lower"},
    "finding-series": {"kind": "finding", "assessment": "swab", "at": "clinic-visit", "better": "lower"},
    "event": {"kind": "event", "events": ["relapse"], "days": "6..33"},
    "event-count": {"kind": "event-count", "events": ["relapse"], "days": "6..33"},
    "ordered": {
        "kind": "ordered",
        "of": "score",
        "visit": "day-33",
        "categories": ["none", "some", "strong"],
        "from": [20, 60],
        "better": "lower",
    },
    "hierarchical": {
        "kind": "hierarchical",
        "levels": [
            {"endpoint": "event"},
            {"endpoint": "time-to-event", "margin": 2},
            {"endpoint": "score", "margin": 5},
        ],
    },
    "event-count-in-periods": {"kind": "event-count", "events": ["relapse"], "days": "6..33", "period-days": 14},
}
SUMMARIES = [scale.summary for scale in SCALES.values() if scale.is_summary]
SIDES = {"two": "ketamine v midazolam", "one": "ketamine"}


# What an estimator that borrows takes beside an estimand.
STUDIES = {
    "borrowed-risk-difference": {"events": "12 of 50"},
    "borrowed-mean-difference": {"mean": 14.0, "sd": 5.0, "n": 40},
    "borrowed-rate-ratio": {"count": 30, "days": 4000.0},
}


def borrowed_by(estimator: str, endpoint: str, summary: str) -> dict:
    if estimator not in STUDIES:
        return {}
    more = {"more-than": "40 %"} if summary == "proportion" else {}
    return {"borrow": {"event": endpoint, "studies": {"earlier": STUDIES[estimator]}, **more}}


def made_of(ids) -> set[str]:
    """The examples that these are made of."""
    entries = [EXAMPLES[id] for id in ids]
    return {entry["of"] for entry in entries if "of" in entry} | {
        level["endpoint"] for entry in entries for level in entry.get("levels", ())
    }


def write(folder: Path, estimands: dict, analyses: dict, kinds=EXAMPLES) -> Path:
    """The bundled trial with these endpoints, questions and answers, three participants an arm."""
    text = read_protocol("ketamine-mbrp-cocaine").path.read_text("utf-8")
    body = YAML(typ="safe").load(text)
    for gone in ("published", "remarks", "assurance"):
        body.pop(gone)
    body["assessments"]["swab"] = {"type": "finding", "yes": "present", "no": "absent"}
    body["assessments"]["outcomes"] = {"type": "events", "terms": ["relapse"]}
    body["schedule"]["clinic-visit"]["assess"] += ["swab", "outcomes"]
    for id, arm in body["arms"].items():
        arm["n"] = 3
        for assumed in body["assumptions"].values():
            if "n" in assumed:
                assumed["n"][id] = 3
            assumed.pop("calibration", None)
            if "baseline" in assumed:
                assumed["baseline"]["route"] = {"smoked-or-injected": 0.5}
    body["endpoints"] = {id: {"words": "as its kind says", **entry} for id, entry in kinds.items()}
    body["estimands"], body["analyses"] = estimands, analyses
    path = folder / "every.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(json.loads(json.dumps(body)), file)  # nothing twice: aliases are refused
    return path


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Protocol:
    """The trial with an example of every kind and one harmless question."""
    asked = {"it": {"endpoint": "abstinence", "treatments": SIDES["two"], "summary": "odds-ratio"}}
    line = {"it": {"estimand": "it", "estimator": "logistic", "level": "primary", "alpha-two-sided": 0.05}}
    return read_protocol(write(tmp_path_factory.mktemp("bare"), asked, line))


def problems_with(protocol: Protocol, estimands: dict, analyses: dict) -> set[tuple[str, str]]:
    changed = {
        "estimands": {**protocol.model.estimands, **estimands},
        "analyses": {**protocol.model.analyses, **analyses},
    }
    found = check_model(Protocol(protocol.model.model_copy(update=changed)))
    return {(problem.code, problem.place) for problem in found}


def test_every_kind_brings_an_example_and_a_derivation_and_every_estimator_a_fit() -> None:
    assert {entry["kind"] for entry in EXAMPLES.values()} == set(ENDPOINT_KINDS) == set(DERIVE)
    assert set(ESTIMATORS) == set(FITS)


def test_every_shape_that_a_kind_can_come_to_has_an_example(bare) -> None:
    shown = {(endpoint.kind, endpoint.shape) for endpoint in bare.model.endpoints.values()}
    assert shown == {(id, shape) for id, kind in ENDPOINT_KINDS.items() for shape in kind.shapes}
    assert {shape for _, shape in shown} == set(SHAPES)


def test_kind_by_estimator_by_summary_is_decided_by_the_tables_alone(bare) -> None:
    estimands, analyses, expected = {}, {}, set()
    for (id, endpoint), summary, (side, treatments) in itertools.product(
        bare.model.endpoints.items(), SUMMARIES, SIDES.items()
    ):
        name = f"{id}--{summary}--{side}"
        estimands[name] = Estimand.model_validate({"endpoint": id, "treatments": treatments, "summary": summary})
        how = {"alone": side == "one", "logarithm": endpoint.analyses_logarithm}
        asked = summaries_for(endpoint.shape, endpoint.traits, **how)
        if summary not in asked:
            expected.add(("P028", f"estimands.{name}.summary"))
        for row in ESTIMATORS.values():
            strata = {"covariates": ["route"]} if row.needs_strata and side == "two" else {}
            line = {"estimand": name, "estimator": row.id, **strata, **borrowed_by(row.id, id, summary)}
            analyses[f"{name}--{row.id}"] = Analysis.model_validate(line)
            choice = "efron" if "ties" in row.options else None
            suits = row in estimators_for(endpoint.shape, endpoint.traits)
            if not suits or (summary in asked and not answers(row, summary, **how, choice=choice)):
                expected.add(("P028", f"analyses.{name}--{row.id}.estimator"))
            if suits and row.borrows and endpoint.analyses_logarithm:
                expected.add(("P106", f"analyses.{name}--{row.id}.estimator"))
    assert problems_with(bare, estimands, analyses) == expected
    assert 0.5 < len(expected) / (len(analyses) + len(estimands)) < 1  # most of them are nonsense


def lines_of(bare: Protocol, *, sets: int = 2) -> tuple[dict, dict, set[tuple[str, str]]]:
    """Questions and answers of every kind by every effect, by every missing rule and by imputation; what is refused."""
    estimands, analyses, refused = {}, {}, set()
    for id, endpoint in bare.model.endpoints.items():
        for row in estimators_for(endpoint.shape, endpoint.traits):
            if row.role == "arms":
                summary = summaries_for(
                    endpoint.shape, endpoint.traits, alone=False, logarithm=endpoint.analyses_logarithm
                )[0]
            elif row.role == "test":
                summary = SCALES[sorted(row.tests)[0]].summary
            else:
                summary = measured(row, logarithm=endpoint.analyses_logarithm).summary
            asked = f"{id}--{summary}"
            estimands[asked] = {"endpoint": id, "treatments": SIDES["two"], "summary": summary}
            line = {"estimand": asked, "estimator": row.id}
            if row.borrows and endpoint.analyses_logarithm:
                continue  # refused: earlier studies state means of the values themselves
            line |= borrowed_by(row.id, id, summary)
            if row.needs_strata:
                line["covariates"] = ["route"]
            if "horizon" in row.options:
                line["horizon"] = 20
            analyses[f"{id}--{row.id}"] = line
            for rule in sorted(EVERY_RULE):
                analyses[f"{id}--{row.id}--{rule}"] = {**line, "missed": rule}
                if not endpoint.takes_rule(rule):
                    refused.add(("P035", f"analyses.{id}--{row.id}--{rule}.missed"))
            name = f"{id}--{row.id}--imputed"
            analyses[name] = {**line, "imputation": {"sets": sets, "seed": 1, "model": "by-visit"}}
            if endpoint.why_not_imputed() is not None or not row.imputable:
                refused.add(("P035", f"analyses.{name}.imputation"))
    return estimands, analyses, refused


def test_missing_rules_and_imputation_are_decided_by_the_tables_alone(bare) -> None:
    estimands, analyses, refused = lines_of(bare)
    found = problems_with(
        bare,
        {id: Estimand.model_validate(entry) for id, entry in estimands.items()},
        {id: Analysis.model_validate(entry) for id, entry in analyses.items()},
    )
    assert found == refused


# Outcomes that are not use are not drawn by the model that draws these six; they go through everything in
# tests/spec/test_outcomes_through_everything.py.
NOT_DRAWN = ("event", "event-count", "finding")


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_allowed_runs_from_the_analysis_to_the_report(bare, shape, tmp_path) -> None:
    estimands, analyses, refused = lines_of(bare)
    gone = {place.split(".")[1] for _, place in refused}
    mine = {
        id
        for id, endpoint in bare.model.endpoints.items()
        if endpoint.shape == shape and endpoint.kind not in NOT_DRAWN
    }
    kept = {
        id: line for id, line in analyses.items() if id not in gone and estimands[line["estimand"]]["endpoint"] in mine
    }
    assert kept
    first = next(iter(kept))
    kept[first] = {**kept[first], "level": "primary", "alpha-two-sided": 0.05}
    asked = {line["estimand"]: estimands[line["estimand"]] for line in kept.values()}
    protocol = read_protocol(
        write(tmp_path, asked, kept, {id: EXAMPLES[id] for id in EXAMPLES if id in mine | made_of(mine)})
    )
    records = simulate(protocol, seed=5)
    results = analyse(protocol, records)
    assert {estimate.details["line"] for estimate in results.estimates} == set(kept)
    for estimate in results.estimates:
        # A number, or a reason why there is none.
        assert estimate.estimate is not None or estimate.p_value is not None or estimate.warnings, estimate.id
    assert build_report(protocol, records, results).blocks
    found = explore_multiverse(protocol, records, sets=2)
    assert len(found.universes) + len(found.left_out) >= 2
    if any(endpoint.is_about_use for endpoint in protocol.model.endpoints.values()):
        assert len(found.universes) + len(found.left_out) >= len(kept) / 4
    assert not [why for _, why in found.left_out if "Traceback" in why]
    # What the simulator cannot make is refused by name, never with a traceback.
    with suppress(DesignError, SimulationError):
        assert power(protocol, replicates=2).cells


def test_every_estimator_has_its_page_and_its_citations() -> None:
    cited = set()
    for row in ESTIMATORS.values():
        page = DOCS / "methods" / f"{row.page}.md"
        assert page.is_file(), row.id
        choices = [key for keys in row.cites_choice.values() for key in keys]
        assert row.cites or choices, f"{row.id} cites nothing"
        cited |= {*row.cites, *choices}
        assert row.name
        assert row.label or len(row.measures) == 1
        assert set(row.variants) <= set(row.cites_choice) or row.cites
    assert cited <= REFERENCES.keys()


def test_every_instrument_and_scheme_has_its_place_in_the_pages_and_its_source() -> None:
    instruments = (DOCS / "instruments.md").read_text("utf-8")
    schemes = (DOCS / "methods" / "randomization.md").read_text("utf-8") + (DOCS / "randomization.md").read_text(
        "utf-8"
    )
    for instrument in INSTRUMENTS.values():
        assert f"`{instrument.id}`" in instruments, instrument.id
        assert instrument.name
        assert instrument.source
    for name in SCHEMES:
        assert name in schemes, name
