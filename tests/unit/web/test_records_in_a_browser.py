"""Calendar, corrections and the pages of those who run the trial in Chromium: keys, lost replies, axe, widths."""

from __future__ import annotations

import http.client
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from .conftest import Desk, require_accessible, signed_in
from .test_in_a_browser import Keyboard
from .test_visits import answers, submit, values

MOST_KEYS_OF_TWO_WEEKS = 20
LOST = 100  # replies that never arrive


@pytest.fixture
def fortnight(desk: Desk) -> Desk:
    """Day 19: the fourteen days of the calendar from 13 to 26 March are to be asked."""
    desk.enrolled()
    desk.at(19)
    return desk


def told(desk: Desk) -> list[str]:
    rows = desk.staged.rows(
        "SELECT f.date, i.item, i.value, i.missing FROM form f JOIN item i USING (participant, visit, form, repeat)"
        " WHERE f.form = 'calendar' AND i.item IN ('cocaine', 'cocaine.amount') ORDER BY f.date, i.item"
    )
    days: dict[str, str] = {}
    for on, item, value, missing in rows:
        if item == "cocaine" or value:
            days[on] = value or missing
    return list(days.values())


def test_two_weeks_of_the_calendar_take_at_most_twenty_keys(browser: Any, address: str, fortnight: Desk) -> None:
    page = signed_in(browser, address)
    page.goto(f"{address}/p/P-1/calendar/")
    keys = Keyboard(page)
    assert page.evaluate("document.activeElement.name") == "calendar.2027-03-13"
    keys.press(*"nnn1", "Enter", *"nn2", "Enter", *"xnnnn=nn")
    keys.press("Control+Enter")
    page.wait_for_url(re.compile("/receipt/"))
    assert keys.count <= MOST_KEYS_OF_TWO_WEEKS, keys.count
    assert told(fortnight) == ["no", "no", "no", "1", "no", "no", "2", "not-known", "no", "no", "no", "no", "no", "no"]
    assert page.complaints == []
    page.context.close()


def test_days_are_told_and_a_value_is_corrected_without_scripts(browser: Any, address: str, fortnight: Desk) -> None:
    page = signed_in(browser, address, java_script_enabled=False)
    page.goto(f"{address}/p/P-1/calendar/")
    page.fill("[name='calendar.2027-03-13']", "1.5")
    page.click("text=The remaining")
    page.click("text=Submit days")
    assert "✓ Recorded" in page.inner_text("h1")
    assert told(fortnight)[0] == "1.5"
    page.goto(f"{address}/p/P-1/calendar/?from=2027-03-08")
    page.click("a.v >> nth=0")
    page.fill("[name='v.cocaine.amount']", "2")
    page.check("[name=slip][value=misread]", force=True)
    page.click("text=Show what it changes")
    assert page.inner_text("del >> nth=0") == "1.5"
    page.click("text=Record correction")
    assert told(fortnight)[0] == "2"
    page.context.close()


def test_a_correction_by_keys_pressed_twice_is_one(browser: Any, address: str, desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    assert submit(desk.client("carol"), answers()).status_code == 303
    page = signed_in(browser, address)
    page.goto(f"{address}/p/P-1/visit/day-9/")
    page.click("#s-craving >> text=Correct…")
    page.fill("[name='v.score']", "60")
    page.focus("[name=slip]")
    page.keyboard.press("2")
    page.click("text=Show what it changes")
    page.dblclick("text=Record correction")
    page.wait_for_url(re.compile("/receipt/"))
    assert "before: 38" in page.inner_text("main")
    assert desk.staged.rows("SELECT count(*), max(why) FROM event WHERE action = 'correct'") == [
        (1, "Misread from paper")
    ]
    assert values(desk, "craving") == {"score": "60"}
    assert page.complaints == []
    page.context.close()


def test_a_hundred_replies_are_lost_and_nothing_is_doubled_or_lost(browser: Any, address: str, desk: Desk) -> None:
    desk.enrolled()
    page = signed_in(browser, address, "mona")
    page.goto(f"{address}/p/P-1/query/")
    token = page.get_attribute("[name=csrfmiddlewaretoken]", "value")
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
    page.context.close()
    place = urlsplit(address)

    def send(number: int, *, wait: bool) -> tuple[int, str]:
        given = {"csrfmiddlewaretoken": token, "key": f"lost-{number}", "text": f"Which {number}?"}
        headers = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded", "Host": place.netloc}
        line = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
        line.request("POST", "/p/P-1/query/", urlencode(given), {**headers, "Referer": f"{address}/p/P-1/query/"})
        if not wait:
            line.close()  # the reply is never read
            return 0, ""
        reply = line.getresponse()
        found = reply.status, reply.headers.get("Location", "")
        line.close()
        return found

    for number in range(LOST):
        send(number, wait=False)
        assert send(number, wait=True) == (303, f"/receipt/lost-{number}/")
    asked = sorted(text for (text,) in desk.staged.rows("SELECT text FROM query"))
    assert asked == sorted(f"Which {number}?" for number in range(LOST))
    assert desk.staged.rows("SELECT count(*) FROM event WHERE action = 'query'") == [(LOST,)]


PLACES = {
    "carol": (
        "/p/P-1/records/",
        "/p/P-1/correct/?visit=day-9&form=stress",
        "/p/P-1/entered-in-error/?visit=day-9&form=urine",
        "/p/P-1/calendar/",
        "/schedule/",
        "/progress/",
        "/audit/",
        "/queries/?query=Q-0001",
        "/p/P-1/visit/day-9/",
        "/copy/",
        "/p/",
    ),
    "alice": ("/lock/", "/lock/now/", "/cuts/", "/verify/", "/sites/", "/accounts/", "/protocol/", "/add-account/"),
    "stan": ("/cuts/",),
}
DARK = ("/p/P-1/calendar/", "/audit/", "/queries/?query=Q-0001", "/accounts/", "/lock/")


def test_no_new_page_breaks_a_rule_of_wcag_or_scrolls_sideways(browser: Any, address: str, desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    assert submit(desk.client("carol"), answers(**{"calendar.2027-03-14": "1.5"})).status_code == 303
    desk.do("mona", "query", participant="P-1", visit="day-9", form="urine", text="One line or two?")
    desk.at(12)
    for scheme in ("light", "dark"):
        for who, addresses in PLACES.items():
            chosen = [at for at in addresses if scheme == "light" or at in DARK]
            if not chosen:
                continue
            page = signed_in(browser, address, who, desk.passphrase(who), color_scheme=scheme)
            for at in chosen:
                answered = page.goto(address + at)
                assert answered.status == 200, at
                require_accessible(page, f"{at} {scheme}", (390, 1024, 1280) if scheme == "light" else ())
            assert page.complaints == []
            page.context.close()


def test_nothing_is_cut_off_on_paper(browser: Any, address: str, desk: Desk) -> None:
    """What scrolls on the screen is as wide as a sheet of A4 on paper (180 mm between its margins), or less."""
    desk.enrolled()
    page = signed_in(browser, address)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 900})
    for at in ("/today/", "/p/", "/p/P-1/", "/p/P-1/leave/", "/p/P-1/casebook/", "/progress/", "/audit/"):
        page.goto(address + at)
        wide = page.evaluate("[...document.querySelectorAll('main, main *')].map(e => e.getBoundingClientRect().right)")
        assert max(wide) <= 680, at
        assert page.locator(".trial").is_visible(), at
    page.context.close()


def test_every_new_page_says_what_it_is_without_scripts(browser: Any, address: str, desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    assert submit(desk.client("carol"), answers()).status_code == 303
    desk.do("mona", "query", participant="P-1", visit="day-9", form="urine", text="One line or two?")
    for who, addresses in {**PLACES, "carol": (*PLACES["carol"], "/one-time-code/")}.items():
        phrase = desk.passphrase(who)
        page = signed_in(browser, address, who, phrase, java_script_enabled=False)
        for at in addresses:
            answered = page.goto(address + at)
            assert answered.status == 200, at
            assert page.locator("h1").count() >= 1, at
            assert page.locator("h1").first.is_visible(), at
        page.context.close()
