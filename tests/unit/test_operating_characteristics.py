"""Power: the same numbers however the work is cut, nothing failed in silence, everything wrong said at once."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from equipoise.analysis.analyse import analyse_records
from equipoise.cli.main import app
from equipoise.design.batch import PlannedRow
from equipoise.design.decisions import reject
from equipoise.design.grid import make_cells, read_grid
from equipoise.design.operating import Cell, cut_last, row_values, run_cells
from equipoise.design.scenarios import build_scenario, dropout_share, is_null, resolve_scenario
from equipoise.design.size_search import only_line
from equipoise.design.summary import summarise_row, summarise_rules, wilson_share
from equipoise.foundation.errors import DesignError, SimulationError
from equipoise.protocol import Protocol
from equipoise.stats.codes import FitCode
from equipoise.workflow import read_protocol
from equipoise.workflow.power import power, replay

N, SEED = 90, 5


@pytest.fixture(scope="module")
def protocol():
    return read_protocol("ketamine-mbrp-cocaine")


@pytest.fixture(scope="module")
def cell(protocol):
    return Cell(resolve_scenario(protocol, "for-power")[0], {})


@pytest.fixture(scope="module")
def reference(protocol, cell, tmp_path_factory):
    out = tmp_path_factory.mktemp("reference")
    [found] = run_cells(protocol, [cell], replicates=N, seed=SEED, workers=1, task_size=N, out=out)
    return found


def plain(found):
    return json.dumps(found.as_dict(), sort_keys=True)


@pytest.mark.parametrize(("workers", "task_size"), [(1, 13), (2, 45), (2, 7)])
def test_numbers_do_not_depend_on_workers_or_on_the_size_of_a_task(protocol, cell, reference, workers, task_size):
    [found] = run_cells(protocol, [cell], replicates=N, seed=SEED, workers=workers, task_size=task_size)
    assert plain(found) == plain(reference)


def test_a_run_that_was_interrupted_ends_with_the_numbers_of_one_that_was_not(protocol, cell, reference, tmp_path):
    class Stop(Exception):
        pass

    def interrupt(name, done, total):
        if done >= 40:
            raise Stop

    with pytest.raises(Stop):
        run_cells(protocol, [cell], replicates=N, seed=SEED, workers=1, task_size=10, out=tmp_path, progress=interrupt)
    kept = sorted(path.name for path in tmp_path.rglob("*.npz"))
    assert 0 < len(kept) < 9
    begun = []
    [found] = run_cells(
        protocol, [cell], replicates=N, seed=SEED, task_size=30, out=tmp_path, progress=lambda *a: begun.append(a[1])
    )
    assert begun[0] >= 40  # what was there was not done again
    assert plain(found) == plain(reference)


def test_what_threads_have_begun_when_a_run_is_interrupted_is_kept(protocol, cell, tmp_path):
    def interrupt(name, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cells(protocol, [cell], replicates=N, seed=SEED, workers=2, task_size=10, out=tmp_path, progress=interrupt)
    # One that ended; beside it one that was running, and the next that a free thread may have taken up.
    assert 2 <= len(list(tmp_path.rglob("*.npz"))) <= 4


def test_a_gap_in_the_middle_is_filled(protocol, cell, reference, tmp_path):
    shutil.copytree(reference.folder, tmp_path / reference.folder.name)
    run_cells(protocol, [cell], replicates=N, seed=SEED, task_size=10, out=tmp_path)
    [whole] = tmp_path.rglob("replicates-*.npz")
    whole.unlink()
    run_cells(protocol, [cell], replicates=50, seed=SEED, task_size=10, out=tmp_path)
    sorted(tmp_path.rglob("replicates-*.npz"))[2].unlink()
    [found] = run_cells(protocol, [cell], replicates=N, seed=SEED, task_size=40, out=tmp_path)
    assert plain(found) == plain(reference)


def test_a_folder_of_another_run_is_refused(protocol, cell, tmp_path):
    run_cells(protocol, [cell], replicates=5, seed=1, out=tmp_path)
    with pytest.raises(DesignError) as caught:
        run_cells(protocol, [cell], replicates=5, seed=2, out=tmp_path)
    assert [problem.code for problem in caught.value.problems] == ["D020"]


@pytest.mark.parametrize("replicate", [0, 17, 89])
def test_a_replicate_replayed_and_analysed_like_any_trial_gives_the_numbers_that_were_counted(
    protocol, reference, replicate
):
    records = replay(protocol, replicate, scenarios=["for-power"], seed=SEED)
    assert records.is_simulated
    results = analyse_records(protocol, records)
    for summary in reference.rows:
        row = summary.row
        if row.kind == "as-planned":
            continue
        estimate = results[row.id]
        for name in ("estimate", "standard_error", "ci_lower", "ci_upper", "p_value", "n_analysed", "n_events"):
            counted = row_values(reference.folder, row.id, name, N)[replicate]
            one = getattr(estimate, name)
            if one is None:
                assert np.isnan(counted) or counted < 0, (row.id, name)
            elif name in ("ci_lower", "ci_upper", "p_value") and np.isnan(counted):
                # The finite limit of an infinite estimate is looked for in one trial's analysis, not in a power run.
                assert estimate.estimate is None, (row.id, name)
            else:
                # Scores with gaps are fractions added up in another order; whole numbers are the same bit for bit.
                assert counted == pytest.approx(one, rel=1e-9), (row.id, name)


def test_lines_by_imputation_are_named_where_they_are_not_run_and_draw_the_same_when_a_trial_is_replayed(
    protocol, cell, monkeypatch
):
    # A power run takes the protocol's number of sets; the analysis of one trial would raise it.
    monkeypatch.setattr("equipoise.analysis.imputed.sets_wanted_for", lambda outcomes, analysis: 0)
    [plain_run] = run_cells(protocol, [cell], replicates=2, seed=SEED)
    assert "abstinence-imputed" in plain_run.left_out
    assert "abstinence-imputed" not in {summary.row.line for summary in plain_run.rows}
    line = only_line(protocol, "abstinence-imputed")
    few = line.model.analyses["abstinence-imputed"]
    few = few.model_copy(update={"imputation": few.imputation.model_copy(update={"sets": 3}), "tipping_point": None})
    model = line.model.model_copy(update={"analyses": {"abstinence-imputed": few}})
    line = Protocol(model, lines=line.lines, definitions=line.definitions)
    with tempfile.TemporaryDirectory() as folder:
        [run] = run_cells(line, [cell], replicates=4, seed=SEED, with_imputation=True, out=Path(folder))
        assert run.left_out == ()
        [counted] = [row_values(run.folder, "abstinence-imputed", name, 4) for name in ("estimate",)]
    for replicate in (0, 3):
        alone = analyse_records(line, replay(line, replicate, scenarios=["for-power"], seed=SEED))
        assert alone["abstinence-imputed"].estimate == pytest.approx(counted[replicate], rel=1e-9)
    assert len(set(counted)) > 1


def test_replays_written_to_a_folder_can_be_analysed_from_the_command_line(tmp_path):
    run = CliRunner().invoke
    out = tmp_path / "replay"
    made = run(app, ["power", "ketamine-mbrp-cocaine", "--scenario", "null", "--replay", "3", "--out", str(out)])
    assert made.exit_code == 0, made.output
    again = run(app, ["analyse", "ketamine-mbrp-cocaine", str(out), "--out", str(tmp_path / "results"), "--json"])
    assert again.exit_code == 0, again.output


def test_tables_are_written_and_agree_with_the_json(tmp_path):
    out = tmp_path / "power"
    command = [
        "power",
        "ketamine-mbrp-cocaine",
        "-r",
        "30",
        "--scenario",
        "null",
        "--grid",
        "n=40,80",
        "--out",
        str(out),
    ]
    made = CliRunner().invoke(app, [*command, "--json"])
    assert made.exit_code == 0, made.output
    printed = json.loads(made.stdout)
    assert printed == json.loads((out / "power.json").read_text("utf-8"))
    table = pl.read_csv(out / "power.csv", infer_schema_length=None)
    assert table.height == sum(len(cell["rows"]) for cell in printed["cells"])
    assert sorted(set(table["n_randomized"])) == [40, 80]
    relapse = table.filter((pl.col("id") == "relapse") & (pl.col("n_randomized") == 40)).row(0, named=True)
    row = next(row for row in printed["cells"][0]["rows"] if row["row"]["id"] == "relapse")
    assert relapse["power"] == row["significant"]["value"]
    assert relapse["n_analysed"] == 40


# --- what is counted, by hand -----------------------------------------------------------------------------------------


def made_row(scale="odds_ratio", kind="main"):
    return PlannedRow("x", "x", "e", "logistic", scale, "b", "a", "yes", "primary", 0.05, 0.95, kind)


def made_arrays(estimate, p, codes=None, se=None, lower=None, upper=None):
    n = len(estimate)
    nan = np.full(n, np.nan)
    return {
        "estimate": np.array(estimate, dtype=float),
        "standard_error": nan if se is None else np.array(se, dtype=float),
        "ci_lower": nan if lower is None else np.array(lower, dtype=float),
        "ci_upper": nan if upper is None else np.array(upper, dtype=float),
        "p_value": np.array(p, dtype=float),
        "codes": np.zeros(n, np.uint32) if codes is None else np.array(codes, np.uint32),
        "n_analysed": np.full(n, 10),
        "n_events": np.full(n, 3),
        "n_missed": np.zeros(n, int),
    }


def test_failed_fits_are_counted_and_bound_the_power():
    nan = np.nan
    codes = [0, 0, 0, int(FitCode.NOT_CONVERGED), int(FitCode.NOT_ESTIMABLE | FitCode.SEPARATION_QUASI)]
    s = summarise_row(made_row(), made_arrays([2, 4, 1, 8, nan], [0.01, 0.2, 0.9, 0.04, nan], codes), is_null=False)
    # Significant: the first and the fourth. The fourth did not converge, the fifth has no p value.
    assert s.significant.value == 2 / 5
    assert (s.power_lower, s.power_upper) == (1 / 5, 3 / 5)
    assert (s.n_without_p, s.n_doubtful, s.n_without_estimate) == (1, 1, 1)
    assert s.codes == {"not-estimable": 0.2, "separation-quasi": 0.2, "not-converged": 0.2}
    assert s.mean is None  # of five odds ratios one is infinite
    assert s.median == pytest.approx(2 * np.sqrt(2))  # of 1, 2, 4, 8 on the logarithm


def test_bias_errors_and_coverage_are_on_the_logarithm_for_ratios():
    arrays = made_arrays([0.5, 2, 8], [0.5, 0.5, 0.01], se=[0.6, 0.8, 1.0], lower=[0.1, 0.5, 1.5], upper=[2, 9, 40])
    s = summarise_row(made_row(), arrays, is_null=True, published=1.8)
    logs = np.log([0.5, 2, 8])
    assert s.is_type_i_error
    assert s.truth == 1.0
    assert s.bias == pytest.approx(logs.mean())
    assert s.mean == pytest.approx(2.0)
    assert s.empirical_standard_error == pytest.approx(np.log(4))  # equal steps of log 4
    assert s.model_standard_error == pytest.approx(np.sqrt((0.36 + 0.64 + 1) / 3))
    assert s.coverage.value == pytest.approx(2 / 3)
    assert s.coverage_published.value == 1.0
    assert (s.significant_above, s.significant_below) == (pytest.approx(1 / 3), 0.0)


def test_wilson_interval_is_that_of_the_textbook():
    # Agresti and Coull 1998, 10 of 10: Wilson's lower limit 10 / (10 + 1.96^2) = 0.722.
    share = wilson_share(10, 10)
    assert share.lower == pytest.approx(10 / (10 + 1.959963984540054**2))
    assert share.upper == 1.0
    assert wilson_share(0, 0) is None


def test_decision_rules_by_hand():
    # Columns: three trials with p values of three hypotheses, level 0.05.
    p = np.array([[0.04, 0.010, 0.030], [0.03, 0.040, 0.060], [0.02, 0.030, np.nan]])
    # Holm: 0.02 > 0.05/3 stops at once; 0.010 < 0.05/3, then 0.030 > 0.025 stops; 0.030 > 0.05/3.
    assert reject(p, 0.05, "holm").T.tolist() == [[False] * 3, [True, False, False], [False] * 3]
    # Hochberg: the largest, 0.04, is below 0.05: all. So in the second. In the third only 0.030 < 0.05/3 could pass.
    assert reject(p, 0.05, "hochberg").T.tolist() == [[True] * 3, [True] * 3, [False] * 3]
    assert reject(p, 0.05, "fixed-sequence").T.tolist() == [[True] * 3, [True] * 3, [True, False, False]]
    assert reject(p, 0.05, "unadjusted").T.tolist() == [[True] * 3, [True] * 3, [True, False, False]]


def test_rules_say_what_missing_p_values_could_have_done():
    p = np.array([[0.01, np.nan], [0.01, 0.01]])
    rows = [made_row(), made_row()]
    sequence = next(rule for rule in summarise_rules(rows, p) if rule.rule == "fixed-sequence")
    assert sequence.all_rejected.value == 0.5
    assert sequence.all_upper == 1.0
    assert sequence.n_without_p == 1


# --- scenarios and grids ----------------------------------------------------------------------------------------------


def test_a_scenario_with_changes_says_so_and_leaves_the_rest_alone(protocol):
    [spec] = resolve_scenario(protocol, "for-power+attenuated")
    assert spec.name == "for-power+attenuated"
    assert "halved" in spec.words
    base, half = (build_scenario(protocol, s) for s in (resolve_scenario(protocol, "for-power")[0], spec))
    assert half.parameters.craving_arm["ketamine"] == pytest.approx(base.parameters.craving_arm["ketamine"] / 2)
    midway = (base.parameters.responder_share["ketamine"] + base.parameters.responder_share["midazolam"]) / 2
    assert half.parameters.responder_share["ketamine"] == pytest.approx(midway)
    assert half.parameters.use_person_sd == base.parameters.use_person_sd


def test_only_worlds_without_effect_are_null(protocol):
    def null(name):
        return is_null(build_scenario(protocol, resolve_scenario(protocol, name)[0]))

    assert null("null")
    assert not null("for-power")
    [spec] = make_cells(protocol, resolve_scenario(protocol, "for-power"), {"effect": (0.0,)})
    assert is_null(build_scenario(protocol, spec.spec))
    assert not null("null+unblinding")


def test_arms_are_scaled_in_proportion_and_fixed_counts_with_them(protocol):
    cells = make_cells(protocol, resolve_scenario(protocol, "as-published"), read_grid(["n=110,23,2"]))
    designs = [build_scenario(protocol, cell.spec) for cell in cells]
    assert [sum(d.design.arm_sizes.values()) for d in designs] == [110, 23, 2]
    assert designs[0].design.arm_sizes == {"midazolam": 56, "ketamine": 54}
    assert designs[0].parameters.poor_route_counts == {"midazolam": 42, "ketamine": 20}


def test_a_share_of_dropouts_asked_for_is_what_comes_out(protocol):
    [cell] = make_cells(protocol, resolve_scenario(protocol, "for-power"), read_grid(["dropout=0.4"]))
    # Another seed than the one it was solved with: 400 trials of 55, standard error 0.0033.
    assert dropout_share(build_scenario(protocol, cell.spec), seed=99) == pytest.approx(0.4, abs=0.014)


def test_uninformative_dropout_loses_as_many(protocol):
    [spec] = resolve_scenario(protocol, "for-power+dropout-uninformative")
    scenario = build_scenario(protocol, spec)
    assert scenario.parameters.dropout_use == 0
    before = dropout_share(build_scenario(protocol, resolve_scenario(protocol, "for-power")[0]))
    assert dropout_share(scenario) == pytest.approx(before, abs=0.002)


@pytest.mark.parametrize(
    "name",
    ["covariate-imbalance", "dropout-informative", "dropout-equal", "under-reporting", "full-reporting", "unblinding"],
)
def test_every_named_change_makes_a_world_that_runs(protocol, name):
    [spec] = resolve_scenario(protocol, f"for-power+{name}")
    [found] = run_cells(protocol, [Cell(spec, {})], replicates=3, seed=1)
    assert found.n_replicates == 3
    assert spec.words != resolve_scenario(protocol, "for-power")[0].words


def test_scenarios_stand_in_a_file_beside_the_protocol(protocol, tmp_path):
    path = tmp_path / "worlds.yaml"
    path.write_text(
        "scenarios:\n  modest:\n    words: half\n    base: for-power\n    changes: [attenuated]\n"
        "    n: {midazolam: 30, ketamine: 30}\n    parameters: {under-reporting: 0.4, stress-item-sd: 0.9}\n"
    )
    [spec] = resolve_scenario(protocol, str(path))
    scenario = build_scenario(protocol, spec)
    assert spec.name == "modest"
    assert scenario.design.arm_sizes == {"midazolam": 30, "ketamine": 30}
    assert scenario.parameters.under_reporting == 0.4
    assert scenario.accompanying.stress_item_sd == 0.9


def test_a_wanted_precision_stops_the_run_at_the_same_place_however_it_was_cut(protocol, cell, monkeypatch):
    monkeypatch.setattr("equipoise.design.operating.LOOK_EVERY", 50)
    found = [
        run_cells(protocol, [cell], replicates=400, seed=1, workers=2, task_size=size, precision=0.08)[0]
        for size in (40, 35)
    ]
    # Half a 95 % interval of 0.08 about 84 % needs 81 replicates.
    assert [f.n_replicates for f in found] == [100, 100]
    assert found[0].stopped_early
    assert plain(found[0]) == plain(found[1])


def test_a_batch_of_one_replicate_gives_what_it_gives_among_others(protocol, cell, reference):
    [found] = run_cells(protocol, [cell], replicates=3, seed=SEED, task_size=1)
    for summary in found.rows:
        among = row_values(reference.folder, summary.row.id, "estimate", N)[:3]
        assert summary.n_without_estimate == np.isnan(among).sum() or summary.row.scale == "test"
        if summary.row.kind == "arm" and not np.isnan(among).any() and summary.row.scale == "proportion":
            assert summary.mean == among.mean()


# --- bad input --------------------------------------------------------------------------------------------------------


def codes_of(error):
    return sorted({problem.code for problem in error.value.problems})


def test_everything_wrong_with_a_request_is_said_at_once(protocol):
    with pytest.raises(DesignError) as caught:
        power(
            protocol,
            replicates=0,
            scenarios=["for-powr", "null+nothing"],
            grid=["dropout=1.2 n=3.5", "efect=1"],
            seed=-1,
        )
    assert codes_of(caught) == ["D001", "D002", "D005", "D007", "D010"]
    unknown = next(problem for problem in caught.value.problems if problem.code == "D002")
    assert "under-reporting" in unknown.expected
    assert "effect" in unknown.next_step


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("scenarios:\n  a:\n    parameters: {under-reportng: 0.1}\n", "D002", 2),
        ("scenarios:\n  a:\n    parameters: {under-reporting: 1.4}\n", "D005", 2),
        ("scenarios:\n  a:\n    n: {midazolam: 0}\n", "D006", 2),
        ("scenarios:\n  a:\n    n: {placebo: 3}\n", "D002", 2),
        ("scenarios:\n  a:\n    chnges: [null]\n", "D003", 2),
        ("scenarios: []\n", "D003", None),
        ("scenarios: [\n", "D003", 2),
    ],
)
def test_files_of_scenarios_are_refused_with_place_and_code(protocol, tmp_path, text, code, line):
    path = tmp_path / "worlds.yaml"
    path.write_text(text)
    with pytest.raises(DesignError) as caught:
        resolve_scenario(protocol, str(path))
    assert codes_of(caught) == [code]
    assert caught.value.problems[0].file == str(path)
    assert caught.value.problems[0].line == line


def test_fewer_participants_than_arms_are_refused(protocol):
    with pytest.raises(DesignError) as caught:
        power(protocol, replicates=10, grid=["n=1"])
    assert codes_of(caught) == ["D006"]


def test_assumptions_that_do_not_hold_together_are_refused_before_anything_is_simulated(protocol, tmp_path):
    path = tmp_path / "worlds.yaml"
    path.write_text("scenarios:\n  a:\n    parameters: {responder-share: {midazolam: 0.1}, use-person-sd: -1}\n")
    with pytest.raises(SimulationError):
        power(protocol, replicates=10, scenarios=[str(path)], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "code"), [("threads:0", "D012"), ("slurm", "D012")])
def test_an_executor_that_does_not_exist_is_refused(protocol, name, code):
    with pytest.raises(DesignError) as caught:
        power(protocol, replicates=10, executor=name)
    assert codes_of(caught) == [code]


def test_bad_input_leaves_with_its_own_exit_code_and_no_traceback():
    made = CliRunner().invoke(app, ["power", "ketamine-mbrp-cocaine", "--scenario", "nowhere"])
    assert made.exit_code == 8
    assert "D001" in made.stderr
    assert "Traceback" not in made.output
    folder_missing = CliRunner().invoke(app, ["power", "ketamine-mbrp-cocaine", "--replay", "3"])
    assert folder_missing.exit_code == 8


def test_a_folder_with_other_files_is_refused(protocol, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    made = CliRunner().invoke(app, ["power", "ketamine-mbrp-cocaine", "-r", "5", "--out", str(tmp_path)])
    assert made.exit_code == 7
    assert (tmp_path / "mine.txt").read_text() == "x"


# --- report and figures -----------------------------------------------------------------------------------------------


def test_the_design_report_says_simulated_and_shows_the_published_value(tmp_path):
    run = power("ketamine-mbrp-cocaine", replicates=20, scenarios=["for-power"], out=tmp_path / "one")
    page = (tmp_path / "one" / "report.html").read_text("utf-8")
    assert "SIMULATED" in page
    assert "published 5.7" in page
    assert "If failed fits were none or all significant" in page
    assert len(list((tmp_path / "one" / "figures").glob("*.svg"))) == 4  # four lines have a published effect
    assert (tmp_path / "one" / "report.html") in run.files


def test_a_grid_is_drawn_as_curves(tmp_path):
    power("ketamine-mbrp-cocaine", replicates=4, grid=["n=20,30 effect=0,1"], out=tmp_path / "grid")
    curves = "".join(path.read_text("utf-8") for path in sorted((tmp_path / "grid" / "figures").glob("*.svg")))
    assert "As published, effect=0" in curves
    assert "As published, n=30" in curves


def test_the_last_tasks_are_cut_smaller_and_every_replicate_is_still_done_once():
    todo = [(first, first + 1000) for first in range(0, 10_000, 1000)] + [(10_000, 10_001)]
    cut = cut_last(todo, 2)
    assert [replicate for first, stop in cut for replicate in range(first, stop)] == list(range(10_001))
    assert max(stop - first for first, stop in cut[-5:]) == 250
    assert cut_last([], 2) == []
    assert cut_last([(0, 60)], 2) == [(0, 50), (50, 60)]


def test_power_prints_one_screen_and_all_of_it_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = ["power", "ketamine-mbrp-cocaine", "-r", "20", "--scenario", "for-power", "--scenario", "null"]
    made = CliRunner().invoke(app, command)
    assert made.exit_code == 0, made.output
    lines = made.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("SIMULATED")
    told = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    for cell in told["cells"]:
        row = next(r for r in cell["rows"] if r["row"]["id"] == "relapse")
        assert f"{100 * row['significant']['value']:.1f} (" in made.stdout
    everything = CliRunner().invoke(app, [*command, "--all"]).stdout
    assert "relapse-log-rank" in everything
    assert "relapse-log-rank" not in made.stdout
