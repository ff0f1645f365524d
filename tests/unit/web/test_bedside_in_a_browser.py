"""Pharmacy, infusion and figures in Chromium: keys of a reading, clocks, the lock, without scripts, axe, paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .conftest import PASSPHRASE, Desk, key_of, require_accessible, signed_in
from .test_in_a_browser import Keyboard

MOST_KEYS = 16  # of one reading at the bedside
AT = "/p/P-1/infusion/"
NEW = ("systolic", "diastolic", "pulse", "saturation")


def entered(browser: Any, address: str, desk: Desk, who: str, **options: Any) -> Any:
    return signed_in(browser, address, who, desk.passphrase(who), **options)


def test_a_reading_takes_at_most_sixteen_keys_and_the_clocks_count(browser: Any, address: str, checked: Desk) -> None:
    page = entered(browser, address, checked, "nina")
    page.goto(address + AT)
    page.click("text=Start infusion")
    page.wait_for_selector("[data-since]")
    checked.at(2, 14, 5)
    keys = Keyboard(page)
    keys.press(*"131", "Tab", *"82", "Tab", *"79", "Tab", *"98")
    keys.press("Enter")
    page.wait_for_selector("text=131/82")
    assert keys.count <= MOST_KEYS, keys.count
    first = page.inner_text("[data-since]")
    page.wait_for_function("was => document.querySelector('[data-since]').textContent !== was", arg=first, timeout=3000)
    checked.at(2, 14, 10)
    page.fill("#f-systolic", "187")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=STOP THE INFUSION")
    assert page.title().startswith("STOP")
    page.click("text=The pump stands, 0 mL/h")
    page.wait_for_selector("text=THE PUMP STANDS")
    page.click("button:has-text('Record the end')")
    page.wait_for_selector("text=Ended at")
    assert page.complaints == []
    page.context.close()


def test_dose_sheet_infusion_and_unblinding_without_scripts(browser: Any, address: str, desk: Desk) -> None:
    desk.enrolled()
    desk.do("nina", "weight", participant="P-1", kg="82.4")
    phil = entered(browser, address, desk, "phil", java_script_enabled=False)
    phil.goto(f"{address}/pharmacy/")
    phil.click("a:has-text('Make')")
    phil.click("text=Make dose sheet")
    found = re.search(r"([\d.]+) mg", phil.inner_text(".dose"))
    assert found is not None
    for name, value in {"kg": "82.4", "mg": found[1], "account": "petra"}.items():
        phil.fill(f"[name={name}]", value)
    phil.fill("#f-passphrase", desk.staged.passphrases["petra"])
    phil.click("text=Check and release")
    assert "checked" in phil.inner_text(".head")
    phil.context.close()
    nina = entered(browser, address, desk, "nina", java_script_enabled=False)
    nina.goto(address + AT)
    nina.click("text=Start infusion")
    desk.at(2, 14, 5)
    for name, value in zip(NEW, ("131", "82", "79", "98"), strict=True):
        nina.fill(f"#f-{name}", value)
    nina.click("text=Record reading")
    assert "131/82" in nina.inner_text("main")
    desk.at(2, 14, 9)
    nina.click("text=Bring up to date")
    assert "131/82" in nina.inner_text("main")
    assert nina.inner_text("[data-since]").startswith("08:")
    nina.click("text=End of the infusion…")
    nina.check("[name=why][value='line or pump'] >> nth=-1", force=True)
    nina.click("text=Record the end")
    assert "Ended at" in nina.inner_text("main")
    nina.context.close()
    ivan = entered(browser, address, desk, "ivan", java_script_enabled=False)
    ivan.goto(f"{address}/p/P-1/unblind/")
    ivan.fill("textarea", "seizure")
    ivan.fill("[type=password]", PASSPHRASE)
    ivan.click("text=Break the code >> nth=-1")
    assert "+ MBRP" in ivan.inner_text(".dose")
    ivan.context.close()


def test_a_page_that_tells_an_arm_locks_itself_and_comes_back_after_the_pass_phrase(
    browser: Any, address: str, checked: Desk
) -> None:
    page = entered(browser, address, checked, "phil")
    page.clock.install()
    page.goto(f"{address}/pharmacy/P-1/day-2/")
    assert "mg" in page.inner_text(".dose")
    checked.ticks[0] += 170
    page.clock.fast_forward(170_000)
    assert page.query_selector(".dose") is not None
    checked.ticks[0] += 20
    page.clock.fast_forward(20_000)
    page.wait_for_selector("text=This page is locked")
    assert page.query_selector(".dose") is None
    page.fill("#pp", PASSPHRASE)
    page.click("text=Open again")
    page.wait_for_selector(".dose")
    assert page.url.endswith("/pharmacy/P-1/day-2/")
    assert page.complaints == []
    page.context.close()


def test_the_new_pages_break_no_rule_of_wcag_and_never_scroll_sideways(
    browser: Any, address: str, checked: Desk
) -> None:
    given = {"participant": "P-1", "term": "chest pain", "onset": "2027-03-09", "severity": "severe"}
    checked.do("ivan", "adverse-event", **given, serious=["hospitalization"])
    checked.do("sam", "open-arms", why="meeting of the committee")
    checked.do("carol", "unblind-for", participant="P-1", told="sam", why="admitted elsewhere")
    checked.at(2, 15)

    def look(page: Any, where: str) -> None:
        require_accessible(page, where, (390, 1024, 1280))
        assert page.complaints == []

    def started(page: Any) -> None:
        page.click("text=Start infusion")
        page.wait_for_selector("[data-since]")
        page.fill("#f-systolic", "187")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=STOP THE INFUSION")

    def opened(page: Any) -> None:
        page.fill("[type=password]", checked.staged.passphrases["uma"])
        page.click("text=Open the closed report")
        page.wait_for_selector("text=Confidential")

    places: dict[str, tuple[tuple[str, Callable[[Any], None] | None], ...]] = {
        "phil": tuple(
            (f"/pharmacy/{at}", None) for at in ("", "P-1/day-2/", "P-1/day-2/label/", "register/", "slots/")
        ),
        "nina": ((AT, None), (AT, started)),
        "ivan": tuple((f"/p/P-1/{at}/", None) for at in ("events", "leave", "unblind", "casebook", "appointments")),
        "sam": (("/unblind-told/", None),),
        "uma": (("/closed/", opened),),
        "stan": (("/pooled/", None),),
    }
    for who, addresses in places.items():
        page = entered(browser, address, checked, who)
        for at, then in addresses:
            page.set_viewport_size({"width": 1280, "height": 800})
            page.goto(address + at)
            if then is not None:
                then(page)
            look(page, f"{who} {at}")
        page.context.close()


def test_a_receipt_and_an_appointment_card_are_one_page_of_a6_and_a_label_stands_alone(
    browser: Any, address: str, checked: Desk, tmp_path: Any
) -> None:
    page = entered(browser, address, checked, "carol")

    def printed(at: str, of: Any = page) -> tuple[list[bytes], int]:
        of.goto(address + at)
        file = tmp_path / "page.pdf"
        of.pdf(path=str(file), prefer_css_page_size=True)
        raw = file.read_bytes()
        return re.findall(rb"/MediaBox ?\[0 0 ([\d.]+ [\d.]+)\]", raw), len(re.findall(rb"/Type ?/Page\b", raw))

    carol = checked.client("carol")
    sent = carol.post("/p/P-1/weight/", {"key": key_of(carol.get("/p/P-1/weight/")), "kg": "82.0"})
    for at in ("/p/P-1/appointments/", sent["Location"]):
        sizes, pages = printed(at)
        assert pages == 1, at
        wide, high = (float(side) for side in sizes[0].split())
        assert (round(wide / 72 * 25.4), round(high / 72 * 25.4)) == (105, 148), at
    page.context.close()
    phil = entered(browser, address, checked, "phil")
    phil.goto(f"{address}/pharmacy/P-1/day-2/")
    phil.emulate_media(media="print")
    assert "UNBLINDED" in phil.inner_text("body")
    assert "mg" in phil.inner_text("body")
    assert not phil.is_visible(".label")  # the label is never on the sheet's paper
    phil.context.close()


def test_the_casebook_holds_every_answer_and_the_card_no_word_of_the_trial(at_day_9: Desk) -> None:
    from .test_visits import answers

    carol, at = at_day_9.client("carol"), "/p/P-1/visit/day-9/"
    given = {**answers(**{"calendar.2027-03-14": "1.5"}), "key": key_of(carol.get(at))}
    assert carol.post(at, given).status_code == 303
    book = carol.get("/p/P-1/casebook/").content.decode()
    items = re.findall(r"<dt>Item (\d+)</dt><dd>(\d)</dd>", book)
    assert len(items) == 49
    assert ("39", given["mindfulness.39"]) in items
    for words in ("Visit, day 9", "negative", "Sun 14 Mar 2027", "1.5", "intranasal"):
        assert words in book, words
    card = carol.get("/p/P-1/appointments/").content.decode()
    card = card[card.index('class="appt"') : card.index("</table>")]
    assert card.count("<tr>") >= 5
    for word in ("ketamine", "mbrp", "cocaine", "trial", "day-"):
        assert word not in card.lower()
