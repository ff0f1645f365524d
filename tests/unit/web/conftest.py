"""A trial in a browser: people who sign in at pages of a real trial, over Django's client or a server that listens."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from conduct.conftest import PASSPHRASE, Staged, _cheap_pass_phrases, _template, staged  # noqa: F401
from conduct.driven import hire

DAY_1 = date(2027, 3, 8)
CHROMIUM = os.environ.get("EQUIPOISE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Desk:
    """A staged trial as a server shows it."""

    staged: Staged
    served: Any
    ticks: list[float] = field(default_factory=lambda: [0.0])

    def client(self, who: str = "") -> Any:
        """A browser without scripts; signed in as ``who``."""
        from django.test import Client

        from equipoise.web.application import set_up_pages

        set_up_pages()
        client = Client(headers={"host": "localhost"}, **{"equipoise.served": self.served})
        if who:
            answered = client.post("/sign-in/", {"account": who, "passphrase": self.passphrase(who)})
            assert answered.status_code == 302, answered.content.decode()
        return client

    def passphrase(self, who: str) -> str:
        return str(self.staged.passphrases.get(who, PASSPHRASE))

    def at(self, day: int, hour: int = 14, minute: int = 0) -> None:
        """The clock to a study day of the first participant (1 is day 1)."""
        on = DAY_1 + timedelta(days=day - 1)
        self.staged.clock.at = datetime(on.year, on.month, on.day, hour, minute, tzinfo=UTC)

    def do(self, who: str, action: str, **given: Any) -> Any:
        return self.staged.do(who, action, **given)

    def events(self) -> int:
        return int(self.staged.rows("SELECT count(*) FROM event")[0][0])

    def enrolled(self, *participants: str) -> None:
        """Somebody (P-1 unless named), or several, randomized on day 2."""
        people = participants or ("P-1",)
        self.at(1)
        for participant in people:
            self.do("carol", "screen", participant=participant, site="main")
            self.do("carol", "consent", participant=participant, version="1.0")
            self.do("carol", "baseline", participant=participant, values={"age": 41, "route": "intranasal"})
            self.do("ivan", "eligibility", participant=participant, attested={"dependent": True, "seeking": True})
            self.do("carol", "day-1", participant=participant)
            self.do("carol", "visit", participant=participant, visit="admission")
        self.at(2)
        for participant in people:
            self.do("carol", "randomize", participant=participant)


def desk_of(made: Staged) -> Desk:
    """A desk for a staged trial, whose seconds are counted by hand."""
    from equipoise.web.served import Served
    from equipoise.web.sessions import Sessions
    from equipoise.web.throttle import Throttle

    ticks = [0.0]
    served = Served(
        made.trial,
        pharmacy=str(made.pharmacy),
        clock=made.clock,
        entropy=made.entropy,
        sessions=Sessions(lambda: ticks[0]),
        throttle=Throttle(lambda: ticks[0]),
    )
    return Desk(made, served, ticks)


@pytest.fixture
def desk(staged: Callable[..., Staged]) -> Desk:  # noqa: F811
    made = staged()
    hire(made)
    return desk_of(made)


def hidden_of(page: Any, name: str) -> str:
    """What stands in a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.content.decode())
    assert found is not None, page.content.decode()[:3000]
    return found[1]


def key_of(page: Any) -> str:
    """The name of the request that a page would send."""
    found = hidden_of(page, "key")
    assert found, page.content.decode()[:3000]
    return found


def post(client: Any, at: str, /, **given: Any) -> Any:
    """Load a page, and post it with what is given."""
    return client.post(at, {"key": key_of(client.get(at)), **given})


def words_of(page: Any) -> str:
    """What a reader sees of a page's own content."""
    text = page.content.decode()
    return " ".join(re.sub(r"<[^>]*>", " ", text[text.index("<main") :]).split())


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    if not CHROMIUM:
        pytest.skip("needs Chromium (apt-get install chromium), which is not on this machine")
    with pytest.MonkeyPatch.context() as patch, playwright.sync_playwright() as running:
        # the driver has a loop in this thread, where the tests look at their trials; nothing of those runs in it
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        found = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    from equipoise.web.serve import address_of, make_server

    server = make_server(desk.served, "127.0.0.1", 0)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    yield address_of(server, "127.0.0.1").rstrip("/")
    server.close()
    thread.join(5)


@pytest.fixture
def at_day_9(desk: Desk) -> Desk:
    """Somebody randomized, on the day of the first clinic visit."""
    desk.enrolled()
    desk.at(9)
    return desk


@pytest.fixture
def checked(desk: Desk) -> Desk:
    """Somebody randomized, weighed, and with the dose of day 2 made and checked."""
    desk.enrolled()
    desk.do("nina", "weight", participant="P-1", kg="82.4")
    desk.do("phil", "dose-sheet", participant="P-1", sealed=True)
    desk.do("petra", "dose-check", participant="P-1", sealed=True)
    return desk


def given_link(desk: Desk, participant: str = "P-1") -> str:
    """A link given by the coordinator's page, as it stands on the card; without host."""
    carol = desk.client("carol")
    at = f"/p/{participant}/diary-link/"
    answered = carol.post(at, {"key": key_of(carol.get(at))})
    assert answered.status_code == 200
    found = re.search(r"http://localhost(/my/[^<]+/)</p>", answered.content.decode())
    assert found is not None
    return found[1]


@pytest.fixture
def at_day_16(desk: Desk) -> Desk:
    """Somebody randomized, on day 16, with some days told."""
    desk.enrolled()
    desk.at(9)
    desk.do("ruth", "calendar", participant="P-1", first="2027-03-13", last="2027-03-15")
    desk.at(16)
    return desk


def watched(context: Any) -> Any:
    """A new page of a browser; what it complains of is kept, for the test to look at."""
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text) if "Content Security" in said.text else None)
    return page


def signed_in(browser: Any, address: str, who: str = "carol", passphrase: str = PASSPHRASE, **options: Any) -> Any:
    """A page of somebody signed in."""
    page = watched(browser.new_context(**options))
    page.goto(f"{address}/sign-in/")
    page.fill("#acc", who)
    page.fill("#pp", passphrase)
    page.click("text=Sign in >> nth=-1")
    page.wait_for_url(lambda at: "/sign-in/" not in at)
    return page


def require_accessible(page: Any, at: str, widths: Sequence[int] = ()) -> None:
    """No rule of WCAG 2.2 AA is broken on the page as it stands, and nothing scrolls sideways, then or so wide."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    # What passes need not be listed: a third of the time.
    wanted = {"runOnly": {"type": "tag", "values": tags}, "resultTypes": ["violations"]}
    found = axe.run(page, options=wanted).response["violations"]
    said = [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found]
    assert said == [], at
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen, (at, wide, seen)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (at, width)
