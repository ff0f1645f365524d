"""What guidelines and regulations ask of a running trial, one by one, where no other file shows it."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from equipoise.foundation.errors import ConductError, EquipoiseError

from .driven import Driver, hire
from .test_simulated_trial_driven import flagship


def refused(trial: Any, who: str, action: str, **given: Any) -> str:
    with pytest.raises(EquipoiseError) as error:
        trial.do(who, action, **given)
    return error.value.problems[0].code


# ---------------------------------------------------------------------- rights: role x action x state


def plain_value(kind: Any, name: str) -> Any:
    """Any value an argument can take."""
    text = str(kind)
    for word, value in (
        ("date", date(2027, 1, 11)),
        ("Decimal", Decimal(1)),
        ("list", []),
        ("dict", {}),
        ("bool", True),
        ("int", 1),
    ):
        if word in text:
            return value
    return {"participant": "P-1", "site": "main"}.get(name, "text")


def arguments_of(action: Any) -> dict[str, Any]:
    hints = get_type_hints(action.run)
    return {
        name: plain_value(hints.get(name, str), name)
        for name, taken in action.parameters.items()
        if taken.default is inspect.Parameter.empty
    }


def test_every_role_is_refused_what_its_row_does_not_name_and_every_state_what_it_does_not_allow(staged: Any) -> None:
    from equipoise.conduct.actions import all_actions
    from equipoise.conduct.actions.permissions import MATRIX, ROLES
    from equipoise.conduct.actions.sign_in import Session
    from equipoise.conduct.clock import Moment
    from equipoise.conduct.trial.ledger import writing

    trial = staged()
    accounts = {role: f"x-{role}" for role in ROLES}
    for role, account in accounts.items():
        trial.do("alice", "add-account", account=account, person=role, roles=[role])
        trial.sessions[account] = Session(account)
    trial.do("carol", "screen", participant="P-1", site="main")

    def set_state(state: str) -> None:
        with writing(trial.trial) as writer:
            writer.append(
                action="drill-entered",
                now=Moment.of(trial.clock, ""),
                request=f"state {state}",
                step=0,
                account="",
                role="",
                site="",
                device="",
                participant="",
                subject="",
                why="",
                protocol_hash="",
                program_version="test",
                entropy=trial.entropy,
                what={"put": {"trial_state": [{"name": "trial", "state": state}]}},
            )

    cells = 0
    for name, action in all_actions().items():
        for role, account in accounts.items():
            if role not in MATRIX[name]:
                given = arguments_of(action)
                if "query" in given:  # an action on a query is refused for want of the query first
                    continue
                assert refused(trial, account, name, why="because", **given) == "C013", f"{name} by {role}"
                cells += 1
    for state in ("paused", "frozen", "locked"):
        set_state(state)
        for name, action in all_actions().items():
            if state in action.states or "query" in action.parameters:
                continue
            if not MATRIX[name] & set(ROLES):  # a participant's own: nobody of the staff has an account for it
                continue
            account = accounts[sorted(MATRIX[name] & set(ROLES))[0]]
            given = arguments_of(action)
            assert refused(trial, account, name, why="because", **given) in ("C017", "C120"), f"{name} when {state}"
            cells += 1
    assert cells > 400
    noted = trial.rows("SELECT count(*) FROM event WHERE action = 'refused'")[0][0]
    assert noted >= 300  # what was a question of rights stands in the ledger


# ---------------------------------------------------------------------- dates at the site


def ready(trial: Any, id: str) -> None:
    trial.do("carol", "screen", participant=id, site="main")
    trial.do("carol", "consent", participant=id, version="1")
    trial.do("carol", "day-1", participant=id)
    trial.make_eligible(id)
    trial.do("carol", "randomize", participant=id)


def test_windows_are_those_of_the_wall_at_the_site_on_both_sides_of_the_nights_the_hour_changes(staged: Any) -> None:
    trial = staged()
    # New York goes to summer time in the night to 14 March 2027: the window of day 9 is 13 and 14 March
    trial.clock.at = datetime(2027, 3, 6, 15, 0, tzinfo=UTC)
    for id in ("P-1", "P-2", "P-3"):
        ready(trial, id)
    assert trial.rows("SELECT DISTINCT day_1 FROM participant") == [("2027-03-06",)]
    trial.clock.at = datetime(2027, 3, 13, 4, 59, 30, tzinfo=UTC)  # 12 March, 23:59 at the site, the day before
    assert refused(trial, "carol", "visit", participant="P-1", visit="day-9") == "C531"
    trial.clock.at = datetime(2027, 3, 13, 5, 0, 30, tzinfo=UTC)  # 13 March, 00:00
    assert trial.do("carol", "visit", participant="P-1", visit="day-9").answer["timing"] == "in_window"
    trial.clock.at = datetime(2027, 3, 15, 3, 59, 0, tzinfo=UTC)  # 14 March, 23:59, an hour later in UTC than before
    assert trial.do("carol", "visit", participant="P-2", visit="day-9").answer["study_day"] == "9"
    assert refused(trial, "carol", "visit-missed", participant="P-3", visit="day-9", why="absent") == "C532"
    trial.clock.at = datetime(2027, 3, 15, 4, 0, 30, tzinfo=UTC)  # 15 March, 00:00
    assert refused(trial, "carol", "visit", participant="P-3", visit="day-9") == "C531"
    assert trial.do("carol", "visit-missed", participant="P-3", visit="day-9", why="absent").answer["state"] == "missed"


# ---------------------------------------------------------------------- unblinding by accident; review of access


def test_an_accidental_unblinding_is_recorded_with_its_impact_and_without_the_arm(staged: Any) -> None:
    trial = staged()
    trial.enrol("P-1")
    given = {"participant": "P-1", "learned_by": "the rater", "impact": "another rater takes over"}
    assert refused(trial, "carol", "unblinded-by-accident", why="a label was seen", **given) == "C501"
    trial.do("carol", "randomize", participant="P-1")
    assert refused(trial, "carol", "unblinded-by-accident", why="a label said ketamine", **given) == "C128"
    assert refused(trial, "carol", "unblinded-by-accident", **given) == "C016"
    trial.do("carol", "unblinded-by-accident", why="a label was seen", **given)
    assert trial.rows("SELECT mode, told, reason, state FROM unblinding") == [
        ("accident", "the rater", "a label was seen; impact: another rater takes over", "told")
    ]
    assert trial.rows("SELECT unblinded FROM participant")[0][0]
    # a drug within another word names one too; whoever learned an arm by accident is not told it on request
    heard = {**given, "learned_by": "ivan"}
    assert refused(trial, "carol", "unblinded-by-accident", why="heard of esketamine", **heard) == "C128"
    trial.do("carol", "unblinded-by-accident", why="heard of anaesthetics, and was unblinded", **heard)
    assert refused(trial, "ivan", "unblind-told", unblinding="U-002") == "C127"


def test_access_is_reviewed_from_one_list_and_the_review_is_recorded(staged: Any) -> None:
    trial = staged()
    trial.do("alice", "expire-account", account="mona", last_day=date(2027, 2, 1), why="contract ends")
    trial.session("carol")
    rows = {row["account"]: row for row in trial.do("alice", "review-accounts").told["list"]}
    assert rows["carol"]["roles"] == "coordinator"
    assert rows["carol"]["signed_in"].startswith("2027-01-11")
    assert rows["mona"]["last_day"] == "2027-02-01"
    assert rows["sam"]["signed_in"] == "never"
    assert trial.rows("SELECT account FROM event WHERE action = 'review-accounts'") == [("alice",)]
    trial.clock.at += timedelta(days=60)
    with pytest.raises(ConductError):
        trial.do("mona", "review-accounts")


def test_a_slip_in_a_criterion_shuts_nobody_out(staged: Any) -> None:
    trial = staged()
    trial.do("carol", "screen", participant="P-1", site="main")
    trial.do("carol", "consent", participant="P-1", version="1")
    trial.do("carol", "baseline", participant="P-1", values={"age": 41})
    slip = {"dependent": True, "seeking": "maybe"}
    assert refused(trial, "ivan", "eligibility", participant="P-1", attested=slip) == "C512"
    assert trial.rows("SELECT status FROM participant") == [("consented",)]
    good = {"dependent": "yes", "seeking": True}
    assert trial.do("ivan", "eligibility", participant="P-1", attested=good).answer["eligible"] is True


def test_text_that_a_spreadsheet_would_run_gets_in_nowhere(staged: Any) -> None:
    trial = staged()
    given = {"participant": "P-1", "site": "main", "result": "declined"}
    for text in ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "  =1+1", "\n=1+1", "=1+1\nand more"):
        assert refused(trial, "carol", "screen", reason=text, **given) == (
            "C028" if set(text) & set("\t\n") else "C023"
        )
    trial.do("carol", "screen", reason="moved away = lost", **given)
    trial.do("carol", "screen", participant="P-2", site="main")
    trial.do("carol", "consent", participant="P-2", version="1")
    assert refused(trial, "carol", "baseline", participant="P-2", values={"sex": "=male"}) == "C023"
    assert refused(trial, "carol", "screening-failure", participant="P-2", why="=HYPERLINK(1)") == "C023"
    # a number is read as one, and held to its range
    assert refused(trial, "carol", "baseline", participant="P-2", values={"age": "-1"}) == "C603"


def test_access_can_be_taken_away_and_pass_phrases_changed_while_data_are_frozen(staged: Any) -> None:
    trial = staged()
    trial.session("carol")
    trial.do("alice", "freeze")
    trial.do("carol", "passphrase", new="three green bottles")
    trial.do("alice", "disable-account", account="carol", why="left the clinic")
    assert refused(trial, "carol", "read", participant="P-1") == "C013"


def test_a_closed_site_enrols_nobody_further_and_its_visits_go_on(staged: Any) -> None:
    trial = staged()
    trial.clock.at = datetime(2027, 3, 8, 15, 0, tzinfo=UTC)
    ready(trial, "P-1")
    trial.enrol("P-2")
    trial.do("alice", "close-site", site="main", why="the lease ended")
    assert refused(trial, "carol", "randomize", participant="P-2") == "C019"
    assert refused(trial, "carol", "screen", participant="P-3", site="main") == "C019"
    trial.do("carol", "visit", participant="P-1", visit="admission")


# ---------------------------------------------------------------------- reading is recorded


def test_whoever_looks_at_records_takes_data_out_or_opens_what_is_sealed_stands_in_the_ledger(
    staged: Any, tmp_path: Path
) -> None:
    from equipoise.conduct.cut.cut import take_cut

    trial = staged()
    hire(trial)
    trial.clock.at = datetime(2027, 3, 8, 15, 0, tzinfo=UTC)
    ready(trial, "P-1")
    trial.do("mona", "read", participant="P-1")
    trial.do("mona", "queries")
    trial.do("sam", "unblind", participant="P-1", why="apnoea", sealed=True)
    trial.do("phil", "stock-count", drug="ketamine", mg=9000, sealed=True)
    at = trial.clock.now().isoformat()
    take_cut(
        trial.trial,
        trial.session("stan"),
        at=at,
        edition="blinded",
        out=tmp_path / "cut",
        clock=trial.clock,
        entropy=trial.entropy,
    )
    found = trial.rows(
        "SELECT account, action FROM event WHERE action IN ('read', 'queries', 'unblind', 'stock-count', 'cut')"
        " ORDER BY number"
    )
    assert found == [
        ("mona", "read"),
        ("mona", "queries"),
        ("sam", "unblind"),
        ("phil", "stock-count"),
        ("stan", "cut"),
    ]


# ---------------------------------------------------------------------- repeated to the byte


def bytes_of(trial: Any) -> dict[str, Any]:
    """The database row for row, and every file the run wrote."""
    tables = [name for (name,) in trial.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    out: dict[str, Any] = {
        name: trial.rows(f"SELECT * FROM {name}") for name in tables if not name.startswith(("django", "sqlite"))
    }
    for folder in (trial.trial.directory, trial.pharmacy):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and ".sqlite3" not in path.name and "lock" not in path.name:
                out[f"{folder.name.partition('-')[2]}/{path.name}"] = path.read_bytes()
    return out


def test_a_run_with_the_same_clock_and_entropy_repeats_to_the_byte(staged: Any) -> None:
    from equipoise.simulation.simulate import simulate

    protocol = flagship(3)
    records = simulate(protocol, seed=5)
    runs = []
    for name in ("one", "two"):
        trial = staged(protocol=protocol, seed="again", name=name)
        hire(trial)
        driver = Driver(trial, records)
        driver.clinic_days = (9,)
        driver.run(["P001", "P002"])
        runs.append(bytes_of(trial))
    assert len(runs[0]["event"]) > 100
    assert runs[0].keys() == runs[1].keys()
    for part, content in runs[0].items():
        assert content == runs[1][part], part


# ---------------------------------------------------------------------- the same work in every arm


def test_sheets_of_both_arms_take_the_same_number_of_statements(staged: Any) -> None:
    from django.test.utils import CaptureQueriesContext

    trial = staged()
    hire(trial)
    trial.clock.at = datetime(2027, 3, 8, 15, 0, tzinfo=UTC)
    people = [f"P-{number}" for number in range(1, 7)]
    for id in people:
        ready(trial, id)
        trial.do("nina", "weight", participant=id, kg=70)
    trial.clock.at += timedelta(days=1)
    counts: dict[str, set[int]] = {}
    for id in people:
        with trial.trial.use(), CaptureQueriesContext(trial.trial.connection) as seen:
            made = trial.do("phil", "dose-sheet", participant=id, sealed=True)
            trial.do("petra", "dose-check", participant=id, sealed=True)
        counts.setdefault(made.told["drug"], set()).add(len(seen))
    assert set(counts) == {"ketamine", "midazolam"}
    assert counts["ketamine"] == counts["midazolam"]
    assert len(counts["ketamine"]) == 1
