"""Two worlds, the same script, the arms exchanged behind the opaque slots: what each blinded role can fetch in them.

Clock, entropy and every token are fixed, so whatever differs between the worlds differs by the arm. The arms and drugs
of the protocol have made-up names, so that a name found anywhere came from the sealed side.
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from equipoise.conduct.clock import SetClock
from equipoise.conduct.entropy import SeededEntropy
from equipoise.conduct.rows.tables import AllocationRow
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.web.served import Served
from equipoise.web.sessions import Sessions
from equipoise.web.throttle import Throttle

NOW = datetime(2027, 5, 3, 15, 0, tzinfo=UTC)
CANARIES = ("zorvexil", "quandrine")
BLINDED = ("admin", "carol", "ivan", "nina", "ruth", "sam", "mona", "dana", "stan")
PIN = "407192"
MOST = 70  # pages a role
_LEFT_OUT = re.compile(r"^/(sign-|static/|my/)|\.ics$")


def masked_protocol() -> Protocol:
    """The flagship with made-up names for its two drugs and arms."""
    from equipoise.workflow.library import definitions_of, protocol_path

    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    text = text.replace("ketamine-mbrp-cocaine", "blind-drill")
    for word, other in zip(("ketamine", "midazolam"), CANARIES, strict=True):
        text = text.replace(word, other).replace(word.capitalize(), other.capitalize())
    protocol = read_protocol_text(text, file="protocol of the drill")
    return protocol.with_definitions(definitions_of(protocol))


class Exchanged:
    """The lists of a companion with the two arms exchanged, slot by slot."""

    def __init__(self, lists: Any, arms: Mapping[str, str]) -> None:
        self._lists, self._arms = lists, arms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lists, name)

    def slots(self, stream: str, n: int) -> tuple[Any, ...]:
        """The arms of a stream, each the other one."""
        return tuple(self._arms.get(arm, arm) for arm in self._lists.slots(stream, n))


@contextmanager
def fixed_tokens(seed: str) -> Iterator[None]:
    """Every token of the pages drawn from a seed: two runs of the same script make the same ones."""
    source = SeededEntropy(seed)
    fixed: dict[str, Callable[..., Any]] = {
        "token_bytes": lambda n=32: source.bytes(n),
        "token_hex": lambda n=32: source.bytes(n).hex(),
        "token_urlsafe": lambda n=32: source.bytes(n).hex(),
        "choice": lambda of: of[int.from_bytes(source.bytes(4), "big") % len(of)],
        "randbelow": lambda n: int.from_bytes(source.bytes(8), "big") % n,
    }
    before = {name: getattr(secrets, name) for name in fixed}
    try:
        for name, made in fixed.items():
            setattr(secrets, name, made)
        yield
    finally:
        for name, made in before.items():
            setattr(secrets, name, made)


@contextmanager
def exchanged_arms(protocol: Protocol, swapped: bool) -> Iterator[None]:
    """Trials made within have their sealed lists with the arms exchanged."""
    from equipoise.conduct.trial import create, slots

    one, two = list(protocol.arm_ids)[:2]
    whole: Callable[..., Any] = slots.draw_slots

    def draw(companion: Any, *rest: Any) -> Any:
        return whole(Exchanged(companion, {one: two, two: one}) if swapped else companion, *rest)

    try:
        vars(create)["draw_slots"] = draw
        yield
    finally:
        vars(create)["draw_slots"] = whole


@dataclass
class World:
    """One world: its trial as it is served, and all that blinded roles fetched, by role and address."""

    folder: Path
    rehearsal: Any
    served: Served
    seen: dict[str, bytes] = field(default_factory=dict)
    statements: dict[str, int] = field(default_factory=dict)
    arms: dict[str, str] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)
    leak: Callable[[World, str, Any], None] | None = None  # planted, to see that it is caught
    most: int = MOST

    def client(self, account: str) -> Any:
        """A browser without scripts, signed in."""
        from django.test import Client

        client = Client(headers={"host": "localhost"}, **{"equipoise.served": self.served})
        given = {"account": account, "passphrase": self.rehearsal.passphrase}
        self.keep(f"{account} POST /sign-in/", lambda: client.post("/sign-in/", given))
        return client

    def keep(self, name: str, fetch: Callable[[], Any]) -> Any:
        """Fetch something, and keep every byte of the answer and how many statements it took."""
        count = [0]
        connection = self.served.trial.connection
        connection.ensure_connection()
        connection.connection.set_trace_callback(lambda _: count.__setitem__(0, count[0] + 1))
        try:
            answered = fetch()
            if self.leak is not None:
                self.leak(self, name, answered)
        finally:
            connection.connection.set_trace_callback(None)
        heads = "\n".join(f"{key}: {value}" for key, value in answered.items())
        # when a cookie ends is reckoned by the machine's clock, which no trial's clock stops
        cookies = re.sub(r"expires=[^;]+", "", answered.cookies.output())
        self.seen[name] = f"{answered.status_code}\n{heads}\n{cookies}\n\n".encode() + answered.content
        self.statements[name] = self.statements.get(name, 0) + count[0]
        return answered

    def crawl(self, account: str, client: Any) -> int:
        """Open every page that a role comes to by links; how many there were."""
        ahead, done = ["/"], set[str]()
        while ahead and len(done) < self.most:
            at = ahead.pop(0)
            if at in done:
                continue
            done.add(at)
            answered = self.keep(f"{account} GET {at}", lambda at=at: client.get(at))  # type: ignore[misc]
            if answered.status_code in (301, 302, 303):
                ahead.append(answered["Location"])
            text = answered.content.decode("utf-8", "replace")
            for found in re.findall(r'href="(/[^"#]*)', text):
                to = found.replace("&amp;", "&")
                if to not in done and not _LEFT_OUT.search(to):
                    ahead.append(to)
        return len(done)

    def close(self) -> None:
        """Close the trial, and take the folder away."""
        self.served.trial.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def make_world(protocol: Protocol, *, swapped: bool, n: int) -> World:
    """A rehearsal of ``n`` people in one of the worlds."""
    from equipoise.web.application import set_up_pages
    from equipoise.web.rehearsal import rehearse

    set_up_pages()
    folder = Path(tempfile.mkdtemp(prefix="equipoise-drill-"))
    entropy = SeededEntropy("drill of the blind")
    with exchanged_arms(protocol, swapped):
        made = rehearse(protocol, folder / "trial", n=n, now=NOW, entropy=entropy)
    ticks = [0.0]
    served = Served(
        made.trial,
        str(made.pharmacy),
        str(made.safety),
        clock=SetClock(NOW),
        entropy=entropy,
        sessions=Sessions(lambda: ticks[0]),
        throttle=Throttle(lambda: ticks[0]),
    )
    world = World(folder, made, served)
    with made.trial.use():
        vault = made.trial.vault(made.pharmacy)
        from equipoise.conduct.trial.slots import arm_of

        for person in made.trial.column(AllocationRow, "participant", order=("participant",)):
            world.arms[person] = arm_of(made.trial, vault, person, 1)
    return world


class _Kept(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.name} {record.levelname} {record.getMessage()}")


def run_script(world: World, *, roles: tuple[str, ...] = BLINDED) -> int:
    """The same script in each world: roles look at everything, somebody is randomized, exports are taken.

    Returns how many pages were seen.
    """
    handler = _Kept(world.logged)
    loggers = [logging.getLogger(name) for name in ("equipoise", "django")]
    with ExitStack() as stack:
        stack.enter_context(fixed_tokens("tokens of the drill"))
        for one in loggers:
            one.addHandler(handler)
            stack.callback(one.removeHandler, handler)
        people = {account: world.client(account) for account in roles}
        pages = 0
        if "carol" in people:
            _randomize(world, people["carol"])
            _refusals(world, people["carol"])
            _own_page(world, people["carol"])
        for account, client in people.items():
            pages += world.crawl(account, client)
        _exports(world)
    world.seen["log"] = "\n".join(world.logged).encode()
    world.served.trial.connection.close()
    return pages


def _post(world: World, account: str, client: Any, at: str, **given: str) -> Any:
    page = world.keep(f"{account} GET {at} before", lambda: client.get(at))
    found = re.search(r'name="key" value="([^"]+)"', page.content.decode())
    answered = world.keep(f"{account} POST {at}", lambda: client.post(at, {"key": found[1] if found else "", **given}))
    if answered.status_code == 303:
        to = answered["Location"]
        world.keep(f"{account} GET {to}", lambda: client.get(to))
    return answered


def _randomize(world: World, carol: Any) -> None:
    """Somebody new by pages: from screening to the receipt of randomization."""
    who = "N-001"
    _post(world, "carol", carol, "/screen/", participant=who, site="main", result="continues")
    do = world.served.do
    from equipoise.web.sessions import SignedIn

    as_ivan = SignedIn("ivan", "drill", 0, 0)
    as_carol = SignedIn("carol", "drill", 0, 0)
    with world.served.trial.use():
        do(as_carol, "consent", {"participant": who, "version": "1.0"})
        do(as_carol, "baseline", {"participant": who, "values": {"age": 41, "route": "intranasal"}})
        do(as_ivan, "eligibility", {"participant": who, "attested": {"dependent": True, "seeking": True}})
        do(as_carol, "day-1", {"participant": who})
    _post(world, "carol", carol, f"/p/{who}/randomize/", participant=who)


def _refusals(world: World, carol: Any) -> None:
    """What is refused must say the same in both worlds."""
    person = sorted(world.arms)[0]
    _post(world, "carol", carol, f"/p/{person}/weight/", kg="7000")
    _post(world, "carol", carol, f"/p/{person}/randomize/", participant="another")
    world.keep("carol GET nowhere", lambda: carol.get("/p/NOBODY/"))
    world.keep("carol POST not hers", lambda: carol.post(f"/p/{person}/infusion/", {"key": "x"}))


def _own_page(world: World, carol: Any) -> None:
    """The participant's own page: of the first who can be given a link."""
    from django.test import Client

    for person in sorted(world.arms):
        card = _post(world, "carol", carol, f"/p/{person}/diary-link/")
        found = re.search(r"(/my/[^<\"]+/)</p>", card.content.decode())
        if found is not None:
            break
    else:
        return
    phone = Client(headers={"host": "localhost"}, **{"equipoise.served": world.served})
    world.keep("participant POST pin", lambda: phone.post(found[1], {"pin": PIN, "again": PIN}))
    for at in ("", "consent/", "offline/", "manifest.json", "state/"):
        world.keep(f"participant GET {at}", lambda at=at: phone.get(f"{found[1]}{at}"))  # type: ignore[misc]


def _exports(world: World) -> None:
    """Cuts for blinded eyes, copies of the ledger, receipts on disk."""
    from equipoise.conduct.actions.administration.copies import take_copy
    from equipoise.conduct.actions.sign_in import Session
    from equipoise.conduct.cut.cut import take_cut

    served, trial = world.served, world.served.trial
    sources: dict[str, Any] = {"clock": served.clock, "entropy": served.entropy}
    out = world.folder / "exports"
    at = "2027-05-03T04:00:00Z"
    take_cut(trial, Session("stan"), at=at, edition="blinded", out=out / "blinded", **sources)
    take_cut(
        trial, Session("uma"), at=at, edition="sham", out=out / "sham", pharmacy=world.rehearsal.pharmacy, **sources
    )
    take_copy(trial, Session("mona"), out / "copy", site=None, **sources)
    for name, folder in (("export", out), ("receipt", trial.receipts)):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                world.seen[f"{name} {path.relative_to(folder)}"] = path.read_bytes()
