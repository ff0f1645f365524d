"""One participant from screening to six months in Chromium, by each role, with the trial's own clock moved on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipoise.conduct.rules.windows import due_visits

from .conftest import DAY_1, PASSPHRASE, Desk, signed_in

SESSIONS = (2, 3, 4, 5, 12, 19, 26, 33)
# Fills every field that a visit still asks for, as a person would who has all the answers; tells what it left.
FILL = """() => {
  const left = [];
  const said = {"urine.cocaine": "negative", "adverse-events.told": "none", "telephone-report.abstinent": "1",
    "arm-guess.participant": "0", "arm-guess.clinician": "0"};
  const radios = new Set([...document.querySelectorAll('main form.main input[type=radio]')].map(r => r.name));
  for (const name of radios) {
    if (name === 'by') continue;
    const all = [...document.getElementsByName(name)];
    const pick = all.find(r => r.value === said[name]) || (/\\.\\d+$/.test(name) ? all[name.split('.')[1] % 5] : null);
    if (pick) { pick.checked = true; } else { left.push(name); }
  }
  for (const box of document.querySelectorAll('main form.main input:not([type])')) {
    if (/^calendar\\.\\d/.test(box.name)) box.value = 'none';
    else if (box.name === 'craving.score') box.value = '38';
    else if (box.name === 'dissociation.score') box.value = '12';
    else if (/^[a-z-]+\\.[a-z-]+$/.test(box.name) && !box.value) left.push(box.name);
  }
  return left;
}"""


class Team:
    """Everybody at a screen of their own, each signed in once."""

    def __init__(self, browser: Any, address: str, desk: Desk) -> None:
        self.browser, self.address, self.desk = browser, address, desk
        self.pages: dict[str, Any] = {}

    def screen(self, who: str) -> Any:
        if who not in self.pages:
            self.pages[who] = signed_in(self.browser, self.address, who, self.desk.passphrase(who))
            self.pages[who].set_default_timeout(5000)
        return self.pages[who]

    def open(self, who: str, at: str) -> Any:
        page = self.screen(who)
        answered = page.goto(self.address + at)
        assert answered.status == 200, (who, at, answered.status)
        return page

    def record(self, who: str, page: Any, button: str) -> str:
        """Press the button of a page that records, and give the heading of the receipt."""
        page.click(f"main button:has-text('{button}') >> nth=0")
        page.wait_for_load_state()
        heading = page.inner_text("h1")
        summary = page.inner_text("#summary") if page.query_selector("#summary") else ""
        assert "✓ Recorded" in heading, (who, button, heading, summary)
        return str(heading)

    def step(self, who: str, name: str) -> Any:
        """A step to randomization, by its button on the participant's page."""
        page = self.open(who, "/p/P-1/")
        page.click(f".steps a.btn:has-text('{name}')")
        page.wait_for_load_state()
        return page

    def visit(self, who: str, name: str, **more: str) -> None:
        """A visit with all its forms, in one submission."""
        page = self.open(who, f"/p/P-1/visit/{name}/")
        left = page.evaluate(FILL)
        assert left == [], (name, left)
        for field, value in more.items():
            page.check(f"[name={field}][value={value}]", force=True)
        self.record(who, page, "Submit visit")

    def close(self) -> None:
        for who, page in self.pages.items():
            assert page.complaints == [], who
            page.context.close()


@pytest.fixture
def team(browser: Any, address: str, desk: Desk) -> Any:
    made = Team(browser, address, desk)
    yield made
    made.close()


def into_the_trial(team: Team) -> None:
    """Screened, consented, found eligible and seen at admission; randomized on the next day."""
    team.desk.at(1)
    page = team.open("carol", "/today/")
    page.click("text=Screen a participant")
    page.fill("[name=participant]", "P-1")
    team.record("carol", page, "Record screening")
    page = team.step("carol", "Consent")
    page.click("button:has-text('Record consent')")
    assert "Version of the document: It was left blank, and it is needed." in page.inner_text("#summary")
    page.fill("[name=version]", "1.0")
    team.record("carol", page, "Record consent")
    page = team.step("carol", "Baseline")
    page.fill("[name='values.age']", "41")
    page.check("[name='values.route'][value=intranasal]", force=True)
    team.record("carol", page, "Record baseline")
    page = team.step("ivan", "Eligibility")
    for box in page.query_selector_all("[name^='attested.'][value=yes]"):
        box.check(force=True)
    team.record("ivan", page, "Decide on eligibility")
    team.record("carol", team.step("carol", "Study day 1"), "Record study day 1")
    page = team.step("carol", "Admission")
    assert page.evaluate(FILL) == []
    team.record("carol", page, "Submit visit")
    team.desk.at(2)
    page = team.step("carol", "Randomize")
    page.fill("[name=participant]", "P-1")
    assert "✓ Recorded: P-1" in team.record("carol", page, "Randomize P-1")


def infused(team: Team) -> None:
    """A dose sheet with the second person beside the first; the whole bag, with every reading."""
    page = team.open("nina", "/p/P-1/weight/")
    page.fill("[name=kg]", "70")
    page.fill("[name=pounds]", "154.3")
    team.record("nina", page, "Record weight")
    page = team.open("phil", "/pharmacy/")
    page.click("a:has-text('Make')")
    page.click("text=Make dose sheet >> nth=0")
    page.wait_for_selector("[name=mg]")
    mg = re.search(r"([\d.]+) mg", page.inner_text(".dose"))
    assert mg is not None
    for name, value in {"kg": "70", "mg": mg[1], "account": "petra"}.items():
        page.fill(f"[name={name}]", value)
    page.fill("#f-passphrase", team.desk.staged.passphrases["petra"])
    page.click("text=Check and release")
    page.wait_for_load_state()
    assert "checked" in page.inner_text(".head")
    team.desk.at(2, 15)
    page = team.open("nina", "/p/P-1/infusion/")
    page.click("text=Start infusion")
    page.wait_for_selector("[data-since]")
    due = [int(minute) for minute in team.desk.do("nina", "read-infusion", participant="P-1").told["due"]]
    ended = False
    for minute in sorted({*due, 40}):
        team.desk.at(2, 15 + (minute + 1) // 60, (minute + 1) % 60)
        if minute >= 40 and not ended:
            page.click("text=End of the infusion…")
            page.click("button:has-text('Record the end')")
            page.wait_for_selector("text=Ended at")
            ended = True
        if minute in due:
            for name, value in {"systolic": "120", "diastolic": "80", "pulse": "70", "saturation": "98"}.items():
                page.fill(f"#f-{name}", value)
            page.click("text=Record reading")
            page.wait_for_selector("text=✓ Recorded.")


def test_one_participant_from_screening_to_six_months_by_each_role(team: Team) -> None:
    desk = team.desk
    into_the_trial(team)
    infused(team)
    protocol = desk.staged.trial.protocol(desk.staged.trial.protocol_hash)
    visits = {due.visit.target_day: due.name for due in due_visits(protocol, DAY_1)}
    for day in sorted({*visits, *SESSIONS}):
        if day < 2:
            continue
        desk.at(day, 20)
        if day in SESSIONS:
            page = team.open("carol", "/p/P-1/session/")
            page.fill("[name=session]", str(SESSIONS.index(day) + 1))
            page.check("[name=delivered][value=yes]", force=True)
            page.fill("[name=minutes]", "60")
            team.record("carol", page, "Record session")
        name = visits.get(day, "")
        if day == 12:
            an_adverse_event(team)
        if name == "six-month-call":
            team.record("carol", team.open("carol", "/p/P-1/complete/"), "Record completion")
            team.visit("carol", name, by="telephone")
        elif name:
            team.visit("carol", name)
            if name == "infusion":  # what may tell the arm is asked by the nurse, and sealed
                page = team.open("nina", "/p/P-1/visit/infusion/")
                left = page.evaluate(FILL)
                assert left == []
                team.record("nina", page, "Submit visit")
    signed_and_monitored(team)
    assert desk.do("carol", "due", days=400).told["due"] == []
    attended = desk.staged.rows("SELECT count(*) FROM visit WHERE state = 'attended'")
    assert attended == [(len(visits),)]
    recorded = {form for (form,) in desk.staged.rows("SELECT DISTINCT form FROM form WHERE state = 'recorded'")}
    assert set(protocol.model.assessments) <= recorded | {"adverse-events", "vitals", "dissociation"}, recorded
    assert desk.staged.rows("SELECT count(*) FROM participant WHERE follow_up = 'completed'") == [(1,)]


def an_adverse_event(team: Team) -> None:
    """Reported and judged by the investigator; the safety role sees its clock and makes the report."""
    page = team.open("ivan", "/p/P-1/")
    page.click("main a:has-text('Adverse events') >> nth=0")
    page.click("text=Report an adverse event")
    page.fill("[name=term]", "chest pain")
    page.fill("[name=onset]", "today")
    page.check("[name=severity][value=moderate]", force=True)
    page.check("[name=serious][value=hospitalization]", force=True)
    team.record("ivan", page, "Report event")
    page = team.open("sam", "/today/")
    assert "report to the sponsor" in page.inner_text("main")


def signed_and_monitored(team: Team) -> None:
    """The safety role makes the report, the monitor settles what is asked, and the investigator signs off."""
    page = team.open("sam", "/p/P-1/events/")
    while page.query_selector("a.btn:has-text('It was made')"):
        page.click("a.btn:has-text('It was made') >> nth=0")
        page.fill("[name=why]", "told by telephone in time, entered later")
        team.record("sam", page, "Record report")
        page = team.open("sam", "/p/P-1/events/")
    for query, state in team.desk.staged.rows("SELECT query, state FROM query"):
        if state != "closed":
            page = team.open("mona", f"/query-close/?query={query}")
            page.fill("[name=why]", "settled by telephone")
            team.record("mona", page, "Close query")
    page = team.open("ivan", "/p/P-1/")
    page.click("main a:has-text('Sign off') >> nth=0")
    page.fill("[type=password]", PASSPHRASE)
    team.record("ivan", page, "Sign off")
    assert "by Ivan" in team.open("mona", "/p/P-1/").inner_text("main")


def test_two_coordinators_press_randomize_in_one_second(team: Team) -> None:
    desk = team.desk
    desk.at(1)
    for name in ("P-1", "P-2"):
        desk.do("carol", "screen", participant=name, site="main")
        desk.do("carol", "consent", participant=name, version="1.0")
        desk.do("carol", "baseline", participant=name, values={"age": 41, "route": "intranasal"})
        desk.do("ivan", "eligibility", participant=name, attested={"dependent": True, "seeking": True})
        desk.do("carol", "day-1", participant=name)
    desk.at(2)
    pressed = [("carol", "P-1"), ("cody", "P-1"), ("ivan", "P-2")]
    for who, name in pressed:
        team.open(who, f"/p/{name}/randomize/").fill("[name=participant]", name)
    for who, _ in pressed:
        # returns at once: the three posts are under way together
        team.screen(who).evaluate("setTimeout(() => document.querySelector('button.final').click(), 50)")
    found = {}
    for who, _ in pressed:
        page = team.screen(who)
        page.wait_for_selector("#summary, h1:has-text('✓ Recorded')")
        found[who] = page.inner_text("h1")
    assert "✓ Recorded: P-2" in found["ivan"]
    assert sorted("✓ Recorded: P-1" in found[who] for who in ("carol", "cody")) == [False, True], found
    refused = next(who for who in ("carol", "cody") if "✓ Recorded" not in found[who])
    assert "randomized" in team.screen(refused).inner_text("#summary")
    rows = desk.staged.rows("SELECT participant, handle FROM allocation ORDER BY participant")
    assert [row[0] for row in rows] == ["P-1", "P-2"]
    assert len({row[1] for row in rows}) == 2
