"""Plans and records that cannot be used: codes that no other test names, each from a small case."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import equipoise
from equipoise.analysis.analyse import analyse_records
from equipoise.analysis.at_look import plan_at_look
from equipoise.analysis.dataset import covariate_columns
from equipoise.analysis.interim import looks_of
from equipoise.analysis.take_look import answer_at
from equipoise.design.batch import PlannedRow, TaskResult
from equipoise.design.executors import open_executor
from equipoise.design.operating import require_a_line
from equipoise.design.store import ReplicateStore
from equipoise.endpoints.lattice import read_lattice
from equipoise.endpoints.patterns.pattern import Pattern, require_same_people
from equipoise.exchange.bundled import bundled_records
from equipoise.exchange.entry_dates import read_entry_dates
from equipoise.exchange.evidence_files import read_evidence_table
from equipoise.exchange.looks_folder import LooksFolder
from equipoise.exchange.statistics_files.labelled import labelled_tables
from equipoise.foundation.errors import EquipoiseError, Problem
from equipoise.instruments.library import require_instrument
from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.randomization.companion_file import seal, write_companion
from equipoise.randomization.plan import planned_randomizations
from equipoise.randomization.registry import check_ratio
from equipoise.randomization.replay import read_allocations
from equipoise.records import Records
from equipoise.records.check import find_faults
from equipoise.records.due_visits import find_due_visits
from equipoise.records.frames import to_pandas
from equipoise.simulation.scenario import read_scenario, require_day_level
from equipoise.simulation.simulate import simulate
from equipoise.web.serve import require_address
from equipoise.workflow.cases import check_assurance
from equipoise.workflow.checks import check_protocol

SPEC = Path(__file__).parents[2] / "spec" / "protocols" / "fictional.yaml"
SIMPLE = Path(__file__).parents[2] / "docs" / "simple_trial.yaml"


@cache
def fictional(*edits: tuple[str, str], of: Path = SPEC) -> Protocol:
    """The fictional protocol with texts replaced, each of which stands in it."""
    text = of.read_text("utf-8")
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return read_protocol_text(text)


def codes_of(call: Callable[[], Any]) -> dict[str, str]:
    """The codes that a call is refused with, and what each says."""
    with pytest.raises(EquipoiseError) as refused:
        call()
    return {problem.code: problem.render() for problem in refused.value.problems}


DAY_LEVEL = "    model: day-level\n    n: {control: 30, active: 30}\n"
SIMPLE_SET = "assumptions: {planning: {simple: {abstinence: {control: 30 %, experimental: 50 %}}}}\n"
DRAWN = "    days: 16..30\n    at: clinic\n"
ASSUMPTIONS = [
    ("S007", "Given twice.", DAY_LEVEL, DAY_LEVEL + "    parameters: {poor-route-share: 0.4, poor_route_share: 0.5}\n"),
    (
        "S007",
        "Given here and by baseline.route.",
        DAY_LEVEL,
        DAY_LEVEL + "    parameters: {poor-route-share: 0.4}\n    baseline: {severity: {severe: 0.5}}\n",
    ),
    ("S015", "Write one parameter per line.", DAY_LEVEL, DAY_LEVEL + "    parameters: {accompanying: [1, 2]}\n"),
    (
        "S013",
        "both a urine and a daily-use",
        "    assess: [urine, calendar, craving]\n",
        "    assess: [urine, craving]\n",
    ),
    ("S014", "No prognostic category of two levels.", ", prognostic: true", ""),
    ("S016", "draws no amount", "    counts-if: any\n", "    counts-if: any\n    amount: {above: 2, unit: g}\n"),
    ("S017", "draws no height", "    covariates: [severity]\n", "    covariates: [height]\n"),
]


@pytest.mark.parametrize(("code", "says", "old", "new"), ASSUMPTIONS, ids=[f"{c}-{w}" for c, w, *_ in ASSUMPTIONS])
def test_assumptions_that_cannot_be_simulated_from(code: str, says: str, old: str, new: str) -> None:
    more = (
        (
            "  age: {type: number, unit: years}\n",
            "  age: {type: number, unit: years}\n  height: {type: number, unit: cm}\n",
        ),
    )
    found = codes_of(lambda: read_scenario(fictional((old, new), *more), "base"))
    assert says in found.get(code, ""), found


REPLICATES = "replicates-0000000-0000001.npz"
DATES = "participant_id,day_1\n"
EVIDENCE = "id,study,source,kind,measure,estimate,about,claim\na,One,paper,claim,proportion,50,b,percentage\n"


@cache
def drawn() -> Records:
    """A small trial of parts."""
    return equipoise.simulate("kare", seed=1)


def rows(n: int) -> Pattern:
    return Pattern.of(np.zeros((n, 4), dtype=np.uint8))


@cache
def imported() -> Records:
    """The records of the shipped trial."""
    return equipoise.import_records("table", bundled_records("smoking-cessation"))


def changed(table: str, **columns: object) -> Records:
    """The shipped records with the columns of one table replaced by one value each."""
    frame = imported()[table].with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    return Records({**imported().tables, table: frame}, imported().source)


def smoking() -> Protocol:
    return equipoise.read_protocol("smoking-cessation")


def simple(plan: str = SIMPLE_SET) -> Protocol:
    return read_protocol_text(SIMPLE.read_text("utf-8") + plan)


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def unplanned() -> Protocol:
    """A trial whose assumptions draw abstinence alone, which no line of the plan analyses."""
    text = SIMPLE.read_text("utf-8")
    line = "  abstinence: {estimand: abstinence, estimator: logistic, level: primary, alpha-two-sided: 0.05}\n"
    mood = "estimator: linear-mixed, level: "
    assert line in text
    assert mood in text
    planned = text.replace(line, "").replace(f"{mood}secondary", f"{mood}primary, alpha-two-sided: 0.05")
    return read_protocol_text(planned + SIMPLE_SET)


def told(problems: list[Problem]) -> None:
    """Problems that a call returns, raised."""
    raise EquipoiseError(problems)


def checked(path: Path, old: str, new: str) -> None:
    """The problems that `equipoise check` finds in the changed file, raised."""
    text = SPEC.read_text("utf-8")
    assert old in text
    told(list(check_protocol(written(path / "trial.yaml", text.replace(old, new, 1))).problems))


def sealed() -> Any:
    return seal(equipoise.read_protocol("kare"), entropy=bytes)


def without_pandas() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pandas", None)
        to_pandas(pl.DataFrame({"a": [1]}))


def without_dask() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        with open_executor("tcp://127.0.0.1:1"):
            pass


@cache
def replicates() -> TaskResult:
    """Two replicates of one row, as a task hands them over."""
    row = PlannedRow("a", "a", "a", "cox", "hazard_ratio", "x", "y", "event", "primary", 0.05, 0.95, "main")
    return TaskResult(0, 2, (row,), {"estimate": np.zeros((1, 2)), "gone": np.zeros((2, 2), dtype=np.int32)})


def damaged(folder: Path, name: str, text: str | None, read: Callable[[ReplicateStore], Any]) -> None:
    """Replicates written, one file of them cut short (or given another text), and read again."""
    store = ReplicateStore(folder / "run", {"seed": 1})
    store.open()
    store.save(replicates())
    list(store.column_blocks(2))
    file = folder / "run" / name
    file.write_bytes(file.read_bytes()[:100] if text is None else text.encode())
    read(store)


def taken(folder: Path) -> LooksFolder:
    (folder / "look-1").mkdir()
    return LooksFolder(folder)


def mixed_replicates() -> None:
    tables = dict(imported().tables)
    tables["participants"] = tables["participants"].with_columns(replicate=pl.lit(0))
    told([Problem(one.code, one.table, one.found) for one in find_faults(tables)])


def cut_short(n: int) -> Records:
    """A simulated trial without the rows of its last missed visits."""
    records = drawn()
    visits = records["visits"]
    kept = pl.concat([visits.filter(pl.col("state") != "missed"), visits.filter(pl.col("state") == "missed")[:-n]])
    return Records({**records.tables, "visits": kept}, records.source)


CALLS: list[tuple[str, str, Callable[[Path], Any]]] = [
    (
        "P041",
        "the participant belongs to attended",
        lambda at: told(check_assurance(fictional(("{attended: true}", "{attended: false}")))),
    ),
    (
        "P053",
        "craving-vas has no item 'cravign'",
        lambda at: checked(at, "    item: abstinent\n", "    item: cravign\n"),
    ),
    ("U501", "There is no version '99' of pss-10.", lambda at: require_instrument("pss-10", "99")),
    ("U002", "Nothing can be imported from 'excel'", lambda at: equipoise.import_records("excel", at)),
    ("U039", "can be reached from other machines", lambda at: require_address("0.0.0.0", 8000, ())),
    ("U039", "0 to 65535", lambda at: require_address("127.0.0.1", 65536, ())),
    ("U039", "the name of a host", lambda at: require_address("127.0.0.1", 0, ("trial.org/a",))),
    ("U060", "pandas is not installed", lambda at: without_pandas()),
    ("U604", "urine has 2 rows, days has 3 rows", lambda at: require_same_people({"urine": rows(2), "days": rows(3)})),
    ("R047", "carry no replicate", lambda at: mixed_replicates()),
    (
        "R062",
        "1 due visit had no row and counts as missed.",
        lambda at: told(find_due_visits(equipoise.read_protocol("kare"), cut_short(1)).notes),
    ),
    (
        "R148",
        "participant_id and day_1",
        lambda at: read_entry_dates(written(at / "d.csv", "id,day_1\n1,2027-01-01\n")),
    ),
    (
        "R148",
        "'1.1.2027' of participant 1 is no date",
        lambda at: read_entry_dates(written(at / "d.csv", DATES + "1,1.1.2027\n")),
    ),
    ("R148", "No row has a date.", lambda at: read_entry_dates(written(at / "d.csv", DATES + "1,\n"))),
    (
        "R149",
        "has 2027-01-01 and 2027-01-02",
        lambda at: read_entry_dates(written(at / "d.csv", DATES + "1,2027-01-01\n1,2027-01-02\n")),
    ),
    ("A001", "No participant was randomized.", lambda at: analyse_records(smoking(), Records({}, imported().source))),
    (
        "A003",
        "Values that the protocol does not allow: green.",
        lambda at: covariate_columns(
            read_lattice(smoking(), changed("participants", race="green")), ("race",), np.arange(1)
        ),
    ),
    (
        "A051",
        "is of a later stage",
        lambda at: plan_at_look(
            equipoise.read_protocol("poats"), Records({}, imported().source), "phase-2", followed_to=None
        ),
    ),
    (
        "A053",
        "abstinence has no result at this look.",
        lambda at: answer_at(looks_of(simple("looks: {analyses: [abstinence], at: [0.5, 1]}\n")), (), "abstinence"),
    ),
    (
        "S018",
        "Calibration needs a set with model: day-level",
        lambda at: require_day_level(read_scenario(simple()), "Calibration"),
    ),
    ("S043", "there are no records to write", lambda at: simulate(simple(), seed=1)),
    ("S008", "There is no set of assumptions 'planing'", lambda at: read_scenario(simple(), "planing")),
    ("O047", "It cannot be written", lambda at: write_companion(sealed(), at / "absent" / "list.yaml")),
    ("O060", "Values of no label", lambda at: labelled_tables(changed("allocations", arm="gum"), smoking())),
    ("O063", "look-1 is there", lambda at: taken(at).require_free(1)),
    ("D013", "pip install 'equipoise[dask]'", lambda at: without_dask()),
    (
        "D015",
        "No analysis can be answered from planning",
        lambda at: require_a_line(unplanned(), read_scenario(unplanned()), "planning"),
    ),
    ("D021", "Remove it and run again.", lambda at: damaged(at, REPLICATES, None, lambda store: store.gone(2))),
    (
        "D021",
        "Remove it and run again.",
        lambda at: damaged(at, REPLICATES, None, lambda store: list(store.column_blocks(2))),
    ),
    ("D021", "Remove it and run again.", lambda at: damaged(at, REPLICATES, "text", lambda store: store.gone(2))),
    ("D021", "remove the folder", lambda at: damaged(at, "rows.json", "{", lambda store: store.rows())),
    ("D021", "remove the folder", lambda at: damaged(at, "rows.json", '[{"kind": 1}]', lambda store: store.rows())),
    (
        "L001",
        "Nothing is randomized.",
        lambda at: planned_randomizations(equipoise.read_protocol("biopsychosocial-programme")),
    ),
    ("L010", "Did you mean permuted-blocks?", lambda at: told(check_ratio("permuted-block", (1, 1), "scheme"))),
    ("L031", "It cannot be read: No such file", lambda at: read_allocations(at / "absent.csv", sealed())),
    (
        "L031",
        "There is no column slot or arm.",
        lambda at: read_allocations(written(at / "a.csv", "stream\nall\n"), sealed()),
    ),
    (
        "L031",
        "a slot from 1 to",
        lambda at: read_allocations(written(at / "a.csv", "stream,slot,arm\nall,0,kare\n"), sealed()),
    ),
    ("E006", "There is no result 'b'.", lambda at: read_evidence_table(written(at / "e.csv", EVIDENCE))),
]


@pytest.mark.parametrize(("code", "says", "call"), CALLS, ids=[f"{code}-{says}" for code, says, _ in CALLS])
def test_what_cannot_be_used_is_refused_with_its_code(
    code: str, says: str, call: Callable[[Path], Any], tmp_path: Path
) -> None:
    found = codes_of(lambda: call(tmp_path))
    assert says in found.get(code, ""), found
