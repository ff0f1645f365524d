"""Pages in Chromium over a server that listens: keys counted, drafts, double submissions, scripts off, axe."""

from __future__ import annotations

import re
from typing import Any

from .conftest import Desk, require_accessible, signed_in

MOST_KEYS = 80  # of a clinic visit with five forms and eight days of calendar, everything answered


VISIT = "/p/P-1/visit/day-16/"


class Keyboard:
    """A keyboard that counts."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.count = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.count += len(key.split("+")) if len(key) > 1 else 1

    def to(self, name: str) -> None:
        """Tab to the field of that name."""
        for _ in range(6):
            if self.page.evaluate("document.activeElement.name || ''").startswith(name):
                return
            self.press("Tab")
        raise AssertionError(f"{name} is not reached; at {self.page.evaluate('document.activeElement.outerHTML')}")


def test_a_clinic_visit_takes_at_most_eighty_keys_and_every_value_arrives(
    browser: Any, address: str, at_day_16: Desk
) -> None:
    page = signed_in(browser, address)
    page.goto(address + VISIT)
    keys = Keyboard(page)
    keys.to("urine.")
    keys.press("n")
    keys.to("calendar.")
    keys.press(*"nn1", "Enter", *"nuxnn")
    keys.to("craving.")
    keys.press("3", "8")
    keys.to("mindfulness.")
    keys.press(*(str(1 + k % 5) for k in range(39)))
    keys.to("stress.")
    keys.press(*(str(k % 5) for k in range(10)))
    keys.to("adverse-events.")
    keys.press("n")
    keys.press("Control+Enter")
    page.wait_for_url(re.compile("/receipt/"))
    assert page.inner_text("h1") == "✓ Recorded: P-1, Visit, day 16"
    assert keys.count <= MOST_KEYS, keys.count
    assert page.complaints == []
    rows = at_day_16.staged.rows(
        "SELECT form, item, value, missing FROM item WHERE visit IN ('day-16', 'calendar') AND participant = 'P-1'"
    )
    told = {(form, item): value for form, item, value, _ in rows if form != "calendar"}
    assert told[("urine", "cocaine")] == "negative"
    assert told[("craving", "score")] == "38"
    assert [told[("mindfulness", str(k + 1))] for k in range(39)] == [str(1 + k % 5) for k in range(39)]
    assert [told[("stress", str(k + 1))] for k in range(10)] == [str(k % 5) for k in range(10)]
    days = at_day_16.staged.rows(
        "SELECT f.date, i.value, i.missing FROM form f JOIN item i USING (participant, visit, form, repeat)"
        " WHERE f.form = 'calendar' AND i.item = 'cocaine' AND f.date > '2027-03-15' ORDER BY f.date"
    )
    assert [(value or missing) for _, value, missing in days] == [
        "no",
        "no",
        "yes",
        "no",
        "yes",
        "not-known",
        "no",
        "no",
    ]
    page.context.close()


def test_double_click_and_back_record_nothing_twice(browser: Any, address: str, desk: Desk) -> None:
    desk.at(1)
    page = signed_in(browser, address)
    page.goto(f"{address}/screen/")
    page.fill("[name=participant]", "P-7")
    page.dblclick("text=Record screening")
    page.wait_for_url(re.compile("/receipt/"))
    first = page.url
    page.go_back()
    page.click("text=Record screening")
    page.wait_for_load_state()
    assert page.url == first or "Not recorded" in page.title()
    assert desk.staged.rows("SELECT count(*) FROM event WHERE action = 'screen' AND participant = 'P-7'") == [(1,)]
    page.context.close()


def test_a_visit_without_scripts(browser: Any, address: str, at_day_16: Desk) -> None:
    page = signed_in(browser, address, java_script_enabled=False)
    page.goto(address + VISIT)
    page.check("[name='urine.cocaine'][value=positive]", force=True)
    page.fill("[name='craving.score']", "162")
    for form in ("mindfulness", "stress", "adverse-events"):
        page.click(f"#s-{form} summary")
        page.check(f"[name='{form}:leave']")
    page.click("text=Submit visit")
    assert page.title().startswith("Not submitted")
    assert page.input_value("[name='craving.score']") == "162"
    page.fill("[name='craving.score']", "62")
    page.click("text=Submit visit")
    assert page.inner_text("h1") == "✓ Recorded: P-1, Visit, day 16"
    page.context.close()


def test_no_page_breaks_a_rule_of_wcag_or_scrolls_sideways(browser: Any, address: str, at_day_16: Desk) -> None:
    at_day_16.do("carol", "screen", participant="P-2", site="main")
    at_day_16.do("mona", "query", participant="P-1", text="Which day is right?")
    places = {
        "carol": (
            "/today/",
            "/p/",
            "/p/P-1/",
            VISIT,
            "/p/P-2/",
            "/p/P-2/consent/",
            "/p/P-1/adverse-event/",
            "/nowhere/",
        ),
    }
    for scheme in ("light", "dark"):
        for who, addresses in places.items():
            page = signed_in(browser, address, who, color_scheme=scheme)
            for at in addresses if scheme == "light" else ("/today/", VISIT):
                page.goto(address + at)
                require_accessible(page, f"{at} {scheme}", (390, 500, 1024, 1280) if scheme == "light" else ())
            assert page.complaints == []
            page.context.close()
