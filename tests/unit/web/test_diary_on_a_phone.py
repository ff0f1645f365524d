"""The diary in Chromium at the width of a phone: without a connection and back, nothing doubled, nothing lost."""

from __future__ import annotations

from typing import Any

from .conftest import Desk, given_link, require_accessible, signed_in, watched
from .test_own_diary import PIN

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def on_a_phone(browser: Any, address: str, link: str, **options: Any) -> Any:
    context = browser.new_context(**PHONE, **options)
    page = watched(context)
    page.goto(address + link)
    page.fill("#pin", PIN)
    if page.query_selector("#again"):
        page.fill("#again", PIN)
    page.click("button.go")
    page.wait_for_selector("text=Tell a day")
    return page


def tell(page: Any, day: str, used: str = "no", craving: str = "") -> None:
    page.select_option("#on", day)
    page.check(f"[name='used.cocaine'][value={used}]", force=True)
    page.fill("[name='craving.craving']", craving)
    page.click("text=Send this day")


def told(desk: Desk) -> list[Any]:
    return desk.staged.rows("SELECT subject FROM event WHERE action = 'diary' ORDER BY number")


def test_a_day_told_without_a_connection_waits_on_the_phone_and_is_recorded_once(
    browser: Any,
    address: str,
    at_day_9: Desk,
) -> None:
    link = given_link(at_day_9)
    page = on_a_phone(browser, address, link)
    tell(page, "2027-03-15", "yes", "40")
    page.wait_for_selector("text=✓ Recorded: Yesterday, Mon 15 Mar")
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    page.wait_for_function(f"caches.match('{link}offline/').then(kept => !!kept)")
    # the connection is gone: the open page keeps what is told, and says so
    page.context.set_offline(True)
    tell(page, "2027-03-14", "no", "12")
    page.wait_for_selector("text=waiting on this phone")
    assert told(at_day_9) == [("diary 2027-03-15",)]
    # the page is opened anew, still without one: the kept page, and what waits
    page.goto(address + link)
    page.wait_for_selector("h1:has-text('No connection')")
    page.wait_for_selector("text=waiting on this phone")
    assert "Mon 15 Mar" not in page.inner_text("main")
    # the reply is lost: the day arrives, and is sent again with the same key
    lost: list[str] = []

    def lose(route: Any) -> None:
        if len(lost) < 3:
            route.fetch()
            lost.append(route.request.post_data or "")
            route.abort()
        else:
            route.continue_()

    page.context.route("**/day/", lose)
    page.context.set_offline(False)
    # somebody impatient; the page leaves by itself when the day is recorded, so nothing else navigates here
    page.evaluate("setInterval(() => document.querySelector('[data-send]').click(), 100)")
    page.wait_for_url("**/?told=*")
    page.wait_for_selector("text=What was reported")
    page.wait_for_function("localStorage.length === 0")
    assert told(at_day_9) == [("diary 2027-03-15",), ("diary 2027-03-14",)]
    assert len(lost) == 3
    assert page.complaints == []
    page.context.close()


def test_what_waits_is_sent_after_the_pin_and_what_is_refused_stays_until_it_is_taken_off(
    browser: Any,
    address: str,
    at_day_9: Desk,
) -> None:
    from equipoise.web.sessions import IDLE

    link = given_link(at_day_9)
    page = on_a_phone(browser, address, link)
    page.context.set_offline(True)
    tell(page, "2027-03-14")
    tell(page, "2027-03-13", "yes", "300")
    page.wait_for_selector("li >> nth=1")
    at_day_9.ticks[0] += IDLE
    page.context.set_offline(False)
    page.wait_for_selector("text=Type your PIN to send")
    page.goto(address + link)
    page.wait_for_selector("text=2 days wait on this phone")
    page.fill("#pin", PIN)
    page.click("button.go")
    page.wait_for_selector("text=Not recorded: Found 300")
    assert told(at_day_9) == [("diary 2027-03-14",)]
    page.click("text=Take it off this phone")
    page.wait_for_function("localStorage.length === 0")
    page.context.close()


def test_the_diary_without_scripts(browser: Any, address: str, at_day_9: Desk) -> None:
    page = on_a_phone(browser, address, given_link(at_day_9), java_script_enabled=False)
    tell(page, "2027-03-15", "not-known")
    assert page.inner_text("h1").startswith("✓ Recorded: Yesterday")
    page.context.close()


def test_pages_of_the_participant_and_about_them_break_no_rule_of_wcag(
    browser: Any, address: str, at_day_9: Desk
) -> None:
    text = "# Taking part\nYou can stop.\n- visits\n? Can you stop?\n+ Yes\n- No\n"
    at_day_9.do("alice", "consent-document", version="2.0", text=text)
    at_day_9.do("alice", "consent-version", version="2.0")
    link = given_link(at_day_9)
    page = on_a_phone(browser, address, link)
    tell(page, "2027-03-15", "yes", "40")
    page.wait_for_selector("text=✓ Recorded")
    require_accessible(page, "diary")
    for at in ("consent/", "offline/"):
        page.goto(address + link + at)
        require_accessible(page, at)
    page.context.clear_cookies()
    page.goto(address + link)
    require_accessible(page, "PIN")
    page.context.close()
    page = signed_in(browser, address, viewport={"width": 1280, "height": 800})
    for at in ("diary/", "diary-link/", "consent/electronic/", "consent/"):
        page.goto(f"{address}/p/P-1/{at}")
        require_accessible(page, at, (390,))
        page.set_viewport_size({"width": 1280, "height": 800})
    assert page.complaints == []
    page.context.close()
