"""The participant's own diary: a link told once, a PIN chosen once, days told by the participant and by nobody else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from equipoise.conduct.actions.sign_in import Session, sign_in
from equipoise.conduct.rules.diary import check_pin, late_days, made_at
from equipoise.foundation.errors import ConductError

from .driven import hire

DAY_1 = date(2027, 3, 8)
PIN = "407192"


def at(trial: Any, day: int, hour: int = 14) -> None:
    on = DAY_1 + timedelta(days=day - 1)
    trial.clock.at = datetime(on.year, on.month, on.day, hour, tzinfo=UTC)


@pytest.fixture
def enrolled(staged: Any) -> Any:
    trial = staged()
    hire(trial)
    at(trial, 1)
    for name in ("P-1", "P-2"):
        trial.do("carol", "screen", participant=name, site="main")
        trial.do("carol", "consent", participant=name, version="1.0")
        trial.do("carol", "baseline", participant=name, values={"age": 41, "route": "intranasal"})
        trial.do("ivan", "eligibility", participant=name, attested={"dependent": True, "seeking": True})
        trial.do("carol", "day-1", participant=name)
    at(trial, 2)
    for name in ("P-1", "P-2"):
        trial.do("carol", "randomize", participant=name)
    at(trial, 9)
    return trial


def opened(trial: Any, participant: str = "P-1") -> tuple[str, str]:
    """A link with its PIN chosen: the link, and the account signed in."""
    from equipoise.conduct.actions.visits.diary import link_of, passphrase_of

    link = trial.do("carol", "diary-link", participant=participant).told["link"]
    with trial.trial.use():
        account, person = link_of(trial.trial, link)
    assert person == participant
    trial.sessions[account] = Session(account)
    trial.do(account, "diary-pin", participant=participant, link=link, pin=PIN)
    session = sign_in(trial.trial, account, passphrase_of(link, PIN), clock=trial.clock, entropy=trial.entropy)
    trial.sessions[account] = session
    return link, account


def refused(trial: Any, who: str, action: str, **given: Any) -> str:
    with pytest.raises(ConductError) as caught:
        trial.do(who, action, **given)
    return caught.value.problems[0].code


def test_a_day_told_by_the_participant_stands_where_staff_record_it_and_says_who_told_it(enrolled: Any) -> None:
    _, account = opened(enrolled)
    given = {"participant": "P-1", "on": "2027-03-14", "used": {"cocaine": "yes"}, "amounts": {"cocaine": "1.5"}}
    made = enrolled.do(account, "diary", **given, craving={"craving": "38"}, made="2027-03-14T22:10:00Z", key="a")
    assert made.answer == {"participant": "P-1", "day": "2027-03-14", "late_days": 1}
    assert enrolled.do(
        account, "diary", **given, craving={"craving": "38"}, made="2027-03-14T22:10:00Z", key="a"
    ).repeated
    rows = enrolled.rows(
        "SELECT item, value, unit FROM item WHERE visit = 'calendar' AND participant = 'P-1' ORDER BY item"
    )
    assert [(item, value) for item, value, _ in rows] == [
        ("cocaine", "yes"),
        ("cocaine.amount", "1.5"),
        ("cocaine.unit", "g"),
    ]
    assert enrolled.rows("SELECT value FROM item WHERE visit = 'diary' AND form = 'craving'") == [("38",)]
    event = enrolled.rows("SELECT account, role, participant FROM event WHERE action = 'diary'")
    assert event == [(account, "participant", "P-1")]
    told = enrolled.do("mona", "read-diary", participant="P-1").told
    day = told["told"][0]
    assert (day["own"], day["late_days"], day["made"], day["craving"]) == (
        True,
        1,
        "2027-03-14T22:10:00Z",
        {"craving": "38"},
    )
    assert "2027-03-14" not in told["asks"]
    assert "2027-03-15" in told["asks"]
    # told once: not again by the participant, nor by staff; staff correct it, with a reason
    assert refused(enrolled, account, "diary", **{**given, "used": {"cocaine": "no"}, "amounts": {}}) == "C601"
    assert refused(enrolled, "carol", "calendar", participant="P-1", first="2027-03-14", last="2027-03-14") == "C601"
    enrolled.do(
        "carol",
        "correct",
        participant="P-1",
        visit="calendar",
        form="calendar",
        on="2027-03-14",
        answers={"cocaine": "no"},
        why="told so",
    )
    assert enrolled.do("carol", "read-diary", participant="P-1").told["told"][0]["corrected"] is True


def test_the_account_of_a_link_reaches_its_participant_and_does_nothing_else(enrolled: Any) -> None:
    from equipoise.conduct.actions import all_actions
    from equipoise.conduct.actions.permissions import MATRIX, OWN_ACTIONS, PARTICIPANT

    _, account = opened(enrolled)
    day = {"on": "2027-03-15", "used": {"cocaine": "no"}}
    assert refused(enrolled, account, "diary", participant="P-2", **day) == "C014"
    assert refused(enrolled, account, "read-own-diary", participant="P-2") == "C014"
    assert refused(enrolled, account, "read", participant="P-1") == "C013"
    assert {name for name in all_actions() if PARTICIPANT in MATRIX[name]} == set(OWN_ACTIONS)
    for who in ("carol", "ivan", "sam", "alice"):
        assert refused(enrolled, who, "diary", participant="P-1", **day) == "C013"


def test_a_link_ends_with_the_next_one_and_when_it_is_ended(enrolled: Any) -> None:
    from equipoise.conduct.actions.visits.diary import link_of

    first, account = opened(enrolled)
    second = enrolled.do("carol", "diary-link", participant="P-1").told["link"]
    with enrolled.trial.use():
        assert link_of(enrolled.trial, first) == ("", "")
        assert link_of(enrolled.trial, second) == ("P-1.diary-2", "P-1")
        number = second.partition("-")[0]
        for wrong in (
            "",
            "x",
            number,
            f"{number}-",
            f"{number}-AAAA",
            "9" * 40 + "-A",
            f"1-{second}",
            f"{second}A",
            "\x00-\x00",
        ):
            assert link_of(enrolled.trial, wrong) == ("", ""), wrong
    assert refused(enrolled, account, "diary", participant="P-1", on="2027-03-15", used={"cocaine": "no"}) == "C013"
    enrolled.do("carol", "diary-link-end", participant="P-1", why="telephone lost")
    with enrolled.trial.use():
        assert link_of(enrolled.trial, second) == ("", "")
    assert second.partition("-")[2] not in repr(enrolled.rows("SELECT * FROM event"))


def test_a_pin_is_chosen_once_and_five_wrong_ones_make_the_link_wait(enrolled: Any) -> None:
    from equipoise.conduct.actions.visits.diary import passphrase_of

    link, account = opened(enrolled)
    assert refused(enrolled, account, "diary-pin", participant="P-1", link=link, pin="593021") == "C651"
    codes = []
    for pin in ("111111", "222222", "333333", "444444", "555555", PIN):
        with pytest.raises(ConductError) as caught:
            sign_in(enrolled.trial, account, passphrase_of(link, pin), clock=enrolled.clock, entropy=enrolled.entropy)
        codes.append(caught.value.problems[0].code)
    assert codes == ["C010"] * 5 + ["C011"]
    assert PIN not in repr(enrolled.rows("SELECT * FROM event"))


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "000000", "123456", "654321", "123123", "121212"]
)
def test_plain_pins_are_refused(pin: str) -> None:
    assert check_pin(pin)
    assert not check_pin(PIN)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"on": "2027-03-17"}, "C652"),  # tomorrow
        ({"on": "2027-01-01"}, "C652"),
        ({"used": {}}, "C573"),
        ({"used": {"cocaine": "perhaps"}}, "C573"),
        ({"used": {"cocaine": "no", "heroin": "yes"}}, "C652"),
        ({"amounts": {"cocaine": "2"}}, "C574"),
        ({"used": {"cocaine": "yes"}, "amounts": {"cocaine": "-2"}}, "C572"),
        ({"craving": {"craving": "101"}}, "C572"),
        ({"craving": {"dissociation": "40"}}, "C652"),
        ({"craving": {"craving": "=1+1"}}, "C023"),
    ],
)
def test_what_the_diary_does_not_take(enrolled: Any, given: dict[str, Any], code: str) -> None:
    _, account = opened(enrolled)
    before = enrolled.rows("SELECT count(*) FROM item")
    told = {"participant": "P-1", "on": "2027-03-15", "used": {"cocaine": "no"}, **given}
    assert refused(enrolled, account, "diary", **told) == code
    assert enrolled.rows("SELECT count(*) FROM item") == before


def test_nobody_who_left_is_asked_and_nobody_whose_screening_ended(enrolled: Any) -> None:
    _, account = opened(enrolled)
    enrolled.do("carol", "screen", participant="P-3", site="main", result="declined", reason="no time")
    assert refused(enrolled, "carol", "diary-link", participant="P-3") == "C501"
    enrolled.do("carol", "withdraw", participant="P-1", scope="everything", why="moved")
    assert refused(enrolled, account, "diary", participant="P-1", on="2027-03-15", used={"cocaine": "no"}) == "C501"
    assert enrolled.do(account, "read-own-diary", participant="P-1").told["asks"] == []


def test_times_of_a_phone_are_kept_and_marked_where_they_cannot_be() -> None:
    now, day = datetime(2027, 3, 16, 12, tzinfo=UTC), date(2027, 3, 15)
    assert made_at("2027-03-15T22:10:00Z", day, now) == ("2027-03-15T22:10:00Z", True)
    for wrong in (
        "2027-03-16T13:00:00Z",
        "2027-03-13T12:00:00Z",
        "1970-01-01T00:00:00Z",
        "yesterday",
        "2027-03-15T22:10:00",
    ):
        assert made_at(wrong, day, now) == (wrong, False), wrong
    assert made_at("", day, now) == ("", True)
    assert [late_days(day, date(2027, 3, 15 + k)) for k in range(4)] == [0, 0, 1, 2]


def test_a_cut_holds_the_days_and_craving_of_the_diary_under_their_day(enrolled: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records
    from equipoise.conduct.integrity.verify import verify

    _, account = opened(enrolled)
    enrolled.do(account, "diary", participant="P-1", on="2027-03-15", used={"cocaine": "no"}, craving={"craving": "12"})
    enrolled.do("carol", "visit", participant="P-1", visit="day-9")
    enrolled.do("carol", "record", participant="P-1", visit="day-9", form="craving", answers={"score": "20"})
    records = cut_records(enrolled.trial, at=enrolled.clock.now(), edition="blinded")
    craving = records["assessments"].filter(records["assessments"]["instrument"] == "craving-vas")
    assert sorted(zip(craving["visit"], craving["day"], craving["value"])) == [("day-9", 9, 20.0), ("diary-8", 8, 12.0)]
    days = records["daily_use"].filter(
        (records["daily_use"]["day"] == 8) & (records["daily_use"]["participant_id"] == "P-1")
    )
    assert days["used"].to_list() == [False]
    assert verify(enrolled.trial).ok


def test_a_day_taken_back_is_told_anew_and_the_craving_that_stands_is_not_written_over(enrolled: Any) -> None:
    _, account = opened(enrolled)
    told = {"participant": "P-1", "on": "2027-03-14", "used": {"cocaine": "yes"}}
    enrolled.do(account, "diary", **told, craving={"craving": "38"})
    place = {"participant": "P-1", "visit": "calendar", "form": "calendar", "on": "2027-03-14"}
    enrolled.do("carol", "entered-in-error", **place, why="another day")
    assert refused(enrolled, account, "diary", **told, craving={"craving": "90"}) == "C601"
    enrolled.do(account, "diary", **told)
    day = enrolled.do("carol", "read-diary", participant="P-1").told["told"][0]
    assert (day["day"], day["use"], day["craving"]) == ("2027-03-14", {"cocaine": "yes"}, {"craving": "38"})
