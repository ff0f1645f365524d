"""Three public trials from the files that a user has, by the shortest route of the documentation, equal to R.

Data: ``bacteria`` of MASS, ``BtheB`` of HSAUR3, ``veteran`` of survival. Answers: R 4.2.2 with lme4 1.1-31,
geepack 1.3.9, lmerTest 3.1-3 and survival 3.5-3; the calls stand with each trial.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import equipoise
from equipoise.analysis.results import Results
from equipoise.workflow.verbs import import_records

# R's answers have seven digits; both maximize a likelihood by quadrature or exactly.
DIGITS = 2e-5
HEAD = """
equipoise: 1
trial: {{id: it, title: A worked trial}}
calendar: {{day-1: randomization, epochs: {{before: {{days: -7..-1}}, after: {{days: 1..1000}}}}}}
interventions: {{a: {{type: oral, drug: a}}, b: {{type: oral, drug: b}}}}
arms: {{{reference}: {{role: active-control, gives: [a]}}, {experimental}: {{role: experimental, gives: [b]}}}}
eligibility: {{include: null, exclude: null}}
randomization: {{ratio: {{{reference}: 1, {experimental}: 1}}}}
"""


def analysed(folder: Path, data: Path, mapping: str, arms: tuple[str, str], protocol: str) -> Results:
    """The results of a mapping and a protocol on one file, checked as ``import --protocol`` does."""
    shutil.copy(data, folder / "data.csv")
    head = "equipoise-mapping: 1\nprotocol: it\ntables:\n"
    (folder / "mapping.yaml").write_text(head + mapping, encoding="utf-8")
    text = HEAD.format(reference=arms[0], experimental=arms[1]) + protocol
    (folder / "protocol.yaml").write_text(text, encoding="utf-8")
    chosen = equipoise.read_protocol(folder / "protocol.yaml")
    return equipoise.analyse(chosen, import_records("table", folder / "mapping.yaml", protocol=chosen))


BACTERIA = """
  participants: [{file: data.csv, rows: first, columns: {participant_id: ID, consented: true}}]
  allocations:
    - file: data.csv
      rows: first
      columns: {participant_id: ID, stage: 1, arm: {column: ap, recode: {p: placebo, a: active}}}
  urine:
    - file: data.csv
      columns:
        participant_id: ID
        visit: {column: week, recode: {"0": entry, "2": week-2, "4": week-4, "6": week-6, "11": week-11}}
        day: {column: week, recode: {"0": 1, "2": 15, "4": 29, "6": 43, "11": 78}}
        substance: {value: h-influenzae}
        result: {column: y, recode: {y: positive, n: negative}}
"""
SWABS = """
assessments: {swab: {type: urine, substances: [h-influenzae]}}
schedule:
  entry: {day: 1, assess: [swab]}
  weekly: {days: [15, 29, 43, 78], named: "week-{week}", assess: [swab]}
use: {present: {substances: [h-influenzae], by: [urine]}}
endpoints:
  it: {kind: repeated-use, words: present at the visit, use: present, at: weekly, SINCE}
estimands: {it: {endpoint: it, treatments: active v placebo, summary: odds-ratio}}
analyses:
  mixed: {estimand: it, estimator: logistic-mixed, level: primary, alpha-two-sided: 0.05, nodes: 25}
  gee: {estimand: it, estimator: gee}
"""


@pytest.mark.parametrize("since", ["last-attended", "last-planned"])
def test_bacteria_from_its_long_file(tmp_path: Path, shared_data: Path, since: str) -> None:
    # glmer(y ~ ap + week + (1 | ID), binomial, nAGQ = 25) and geeglm(y ~ ap + week, corstr = "exchangeable"), week > 0
    data = shared_data.parent / "cases" / "trial-bacteria" / "bacteria.csv"
    protocol = SWABS.replace("SINCE", f"since: {since}")
    results = analysed(tmp_path, data, BACTERIA, ("placebo", "active"), protocol)
    mixed, gee = results["mixed"], results["gee"]
    assert mixed.n_events == gee.n_events == 132
    assert (mixed.n_missed, gee.n_missed) == (30, 30)
    # lme4's optimizer stops at 1e-3 of the third digit here
    assert mixed.estimate == pytest.approx(0.2846155, rel=1e-3)
    assert (mixed.ci_lower, mixed.ci_upper) == pytest.approx((0.0768663, 1.053856), rel=1e-3)
    assert gee.estimate == pytest.approx(0.3915203, rel=1e-4)
    assert [note.found for note in results.provenance.notes] == ["30 due visits had no row and count as missed."]


VETERAN = """
  participants:
    - file: data.csv
      columns: {participant_id: id, consented: true, celltype: celltype, karno: karno, age: age, diagtime: diagtime,
        prior: {column: prior, recode: {"0": "no", "10": "yes"}}}
      types: {karno: number, age: number, diagtime: number}
  allocations:
    - file: data.csv
      columns: {participant_id: id, stage: 1, arm: {column: trt, recode: {"1": standard, "2": test}}}
"""
BY_EVENTS = """
  events:
    - file: data.csv
      columns:
        participant_id: id
        term: {value: death}
        day: {column: time, counted-from: 0}
        happened: {column: status, recode: {"1": true, "0": false}}
"""
BY_SPANS = """
  daily_use:
    - file: data.csv
      spans:
        participant_id: id
        substance: {value: death}
        until: {column: time, counted-from: 0}
        event: {column: status, is: 1}
"""
OUTCOMES = """
assessments: {vital: {type: events, terms: [death]}}
schedule: {end: {day: 1000, assess: [vital]}}
"""
DAYS = """
assessments: {vital: {type: daily-use, substances: [death]}}
schedule: {end: {day: 1000, assess: [vital]}}
use: {death: {substances: [death], by: [self-report]}}
"""
SURVIVAL = """
baseline:
  celltype: {type: category, levels: [squamous, smallcell, adeno, large]}
  karno: {type: number}
  diagtime: {type: number}
  age: {type: number}
  prior: {type: category, levels: ["no", "yes"]}
endpoints:
  it: {kind: time-to-event, words: days to death, time-zero: day 1, first-of: [EVENT], until: day 1000}
estimands:
  hazard: {endpoint: it, treatments: test v standard, summary: hazard-ratio}
  mean: {endpoint: it, treatments: test v standard, summary: rmst-difference}
analyses:
  cox: {estimand: hazard, estimator: cox, level: primary, alpha-two-sided: 0.05}
  adjusted: {estimand: hazard, estimator: cox, covariates: [celltype, karno, diagtime, age, prior]}
  km: {estimand: hazard, estimator: kaplan-meier}
  rmst: {estimand: mean, estimator: rmst-difference, horizon: 365}
"""


@pytest.mark.parametrize(
    ("table", "asked", "event"),
    [(BY_EVENTS, OUTCOMES, "{event: death}"), (BY_SPANS, DAYS, "{use: death}")],
    ids=["events", "spans"],
)
def test_veteran_with_its_censoring(tmp_path: Path, shared_data: Path, table: str, asked: str, event: str) -> None:
    # coxph(Surv(time, status) ~ trt [+ celltype + karno + diagtime + age + prior]); survRM2 1.0-4, tau = 365
    data = shared_data.parent / "cases" / "trial-veteran" / "veteran.csv"
    protocol = asked + SURVIVAL.replace("EVENT", event)
    results = analysed(tmp_path, data, VETERAN + table, ("standard", "test"), protocol)
    cox, adjusted, rmst = results["cox"], results["adjusted"], results["rmst"]
    assert (cox.n_analysed, cox.n_events) == (137, 128)
    assert (cox.estimate, cox.ci_lower, cox.ci_upper) == pytest.approx((1.017901, 0.7143755, 1.450389), rel=DIGITS)
    found = (adjusted.estimate, adjusted.ci_lower, adjusted.ci_upper)
    assert found == pytest.approx((1.342593, 0.8938772, 2.016559), rel=DIGITS)
    assert (rmst.estimate, rmst.standard_error) == pytest.approx((-6.56741, 19.76838), rel=DIGITS)
    assert (results["km.standard.median"].estimate, results["km.test.median"].estimate) == (103, 52.5)


BTHEB = """
  participants:
    - file: data.csv
      columns: {participant_id: id, consented: true, drug: drug, duration: length, bdi_pre: bdi.pre}
      types: {bdi_pre: number}
  allocations:
    - file: data.csv
      columns: {participant_id: id, stage: 1, arm: {column: treatment, recode: {TAU: tau, BtheB: btb}}}
  assessments:
    - file: data.csv
      long: {bdi.2m: day-61, bdi.3m: day-91, bdi.5m: day-152, bdi.8m: day-243}
      columns:
        participant_id: id
        visit: {long: name}
        instrument: {value: bdi}
        item: {value: total}
        value: {long: value}
"""
SCORES = """
baseline:
  bdi-pre: {type: number}
  drug: {type: category, levels: ["No", "Yes"]}
  duration: {type: category, levels: ["<6m", ">6m"]}
instruments: {bdi: {total: 0..63, better: lower}}
assessments: {bdi: {type: instrument, instrument: bdi}}
schedule: {later: {days: [61, 91, 152, 243], assess: [bdi]}}
endpoints: {it: {kind: score, words: BDI at each visit, assessment: bdi, at: later}}
estimands: {it: {endpoint: it, treatments: btb v tau, summary: mean-difference}}
analyses:
  mixed:
    estimand: it
    estimator: linear-mixed
    covariates: [bdi-pre, drug, duration]
    level: primary
    alpha-two-sided: 0.05
"""


def test_beat_the_blues_with_an_instrument_of_its_own(tmp_path: Path, shared_data: Path) -> None:
    # lmer(bdi ~ trt + wk + bdi.pre + drug + length + (1 | id)), wk = day / 7, Satterthwaite's degrees of freedom
    case = shared_data.parent / "cases" / "trial-btheb"
    results = analysed(tmp_path, case / "btheb.csv", BTHEB, ("tau", "btb"), SCORES)
    mixed = results["mixed"]
    found = (mixed.estimate, mixed.standard_error, mixed.ci_lower, mixed.ci_upper)
    assert found == pytest.approx((-2.3147758, 1.7152205, -5.7212615, 1.09171), rel=DIGITS)
    # the degrees of freedom rest on derivatives of the likelihood
    assert mixed.df == pytest.approx(92.1831, rel=1e-3)
