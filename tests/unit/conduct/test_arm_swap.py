"""Two worlds, the same script, the arms swapped behind the opaque handles: blinded people can tell nothing apart.

Every sealed slot of the second world holds the other arm; clock, entropy and what people type are the same. The open
ledger, its copies, what it makes of the tables, the receipts on disk, every answer, what blinded roles read and the
blinded cut must be equal to the byte. The unblinded cut must differ, or the test would show nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from equipoise.simulation.simulate import simulate

from .driven import Driver, hire
from .test_simulated_trial_driven import flagship

OTHER = {"ketamine": "midazolam", "midazolam": "ketamine", None: None}
BLINDED = ("carol", "ivan", "nina", "ruth", "mona", "sam")


class Swapped:
    """The lists of a companion with the arms exchanged, slot by slot."""

    def __init__(self, lists: Any) -> None:
        self._lists = lists

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lists, name)

    def slots(self, stream: str, n: int) -> tuple[str, ...]:
        return tuple(OTHER[arm] for arm in self._lists.slots(stream, n))


def world(staged: Any, name: str, patch: pytest.MonkeyPatch, *, swapped: bool) -> dict[str, Any]:
    """Everything that can be fetched after two participants went through the trial."""
    from equipoise.conduct.actions.administration.copies import take_copy
    from equipoise.conduct.cut.cut import cut_records, take_cut
    from equipoise.conduct.trial import create, slots

    def draw(companion: Any, *rest: Any) -> Any:
        return slots.draw_slots(Swapped(companion) if swapped else companion, *rest)

    patch.setattr(create, "draw_slots", draw)
    protocol = flagship(3)
    trial = staged(protocol=protocol, seed="swap", name=name)
    answers: list[Any] = []
    whole = trial.do

    def keep(who: str, action: str, **given: Any) -> Any:
        receipt = whole(who, action, **given)
        answers.append((who, action, dict(receipt.answer), receipt.events, receipt.anchor.text, receipt.warnings))
        return receipt

    trial.do = keep
    hire(trial)
    driver = Driver(trial, simulate(protocol, seed=5))
    driver.clinic_days = (9,)
    driver.run(["P001", "P002"])
    trial.do("mona", "query", participant="P001", text="Where is the consent form kept?")
    trial.do("sam", "query", participant="P001", visit="infusion", form="dissociation", text="Floating, and only that?")
    trial.do("carol", "sign", participant="P001", meaning="authored")
    trial.do("ivan", "sign-off", participant="P002")
    told = [trial.do(who, "queries", state="all").told for who in BLINDED]
    told += [trial.do(who, "read", participant=id).told for who in BLINDED for id in ("P001", "P002")]
    told.append(trial.do("carol", "unblind-for", participant="P001", told="sam", why="emergency").told)
    refusals = []
    for who, action, given in (
        ("carol", "randomize", {"participant": "P001"}),
        ("nina", "infusion-start", {"participant": "P002"}),
        ("nina", "infusion-rate", {"participant": "P001", "ml_per_hour": 76}),
        ("stan", "cut", {"at": "2027-04-01T00:00:00Z", "edition": "unblinded"}),
    ):
        with pytest.raises(Exception) as error:
            trial.do(who, action, **given)
        refusals.append(str(error.value))
    at = trial.clock.now().isoformat()
    sources = {"clock": trial.clock, "entropy": trial.entropy}
    folder = trial.trial.directory.parent / f"{name}-cut"
    take_cut(trial.trial, trial.session("stan"), at=at, edition="blinded", out=folder, **sources)
    sham = folder.with_name(f"{name}-sham")
    take_cut(trial.trial, trial.session("uma"), at=at, edition="sham", out=sham, pharmacy=trial.pharmacy, **sources)
    exports = {
        edition.name.removeprefix(name): sdtm_of(protocol, edition, folder.with_name(f"{edition.name}-sdtm"))
        for edition in (folder, sham)
    }
    copies = folder.with_name(f"{name}-copies")
    take_copy(trial.trial, trial.session("carol"), copies / "main", site="main", **sources)
    take_copy(trial.trial, trial.session("mona"), copies / "every", site=None, **sources)
    trial.do("sam", "open-arms", why="the test looks")
    from datetime import datetime

    now = trial.clock.now()
    true = cut_records(
        trial.trial,
        at=datetime.fromisoformat(now.isoformat()),
        edition="unblinded",
        pharmacy=trial.pharmacy,
        safety=trial.safety,
    )
    tables = [row[0] for row in trial.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    sealed = {
        "slot": "handle, stream, position, length(content)",
        "sealed_event": "number, event_number, length(content)",
    }
    # The head of the sealed ledger is a hash over ciphertext and differs by construction; its count must not.
    sealed["ledger_head"] = "ledger, number, CASE ledger WHEN 'open' THEN hash END"
    rows = {
        table: trial.rows(f"SELECT {sealed.get(table, '*')} FROM {table} ORDER BY 1, 2")
        for table in tables
        if not table.startswith(("sqlite_", "django_"))
    }
    return {
        "tables": rows,
        "answers": answers,
        "told": told,
        "refusals": refusals,
        "receipts": files(trial.trial.receipts),
        "blinded cut": files(folder),
        "sham cut": files(sham),
        "cuts as SDTM": exports,
        "copies of the ledger": files(copies),
        "true": true["allocations"]["arm"].to_list(),
    }


def sdtm_of(protocol: Any, cut: Path, out: Path) -> dict[str, bytes]:
    """A cut as SDTM, with a mapping that answers what is asked."""
    from equipoise.workflow.cdisc import export_sdtm

    mapping = out.with_suffix(".yaml")
    site = "{id: '1', country: USA}"
    mapping.write_text(f"site: {site}\nsites: {{main: {site}, second: {site}}}\nsex: {{everybody: U}}\n", "utf-8")
    made = export_sdtm(protocol, cut, out, mapping=mapping)
    assert "DM" in made.files, made.account.left_out()
    return files(out)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def worlds(staged: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        world(staged, "one", monkeypatch, swapped=False),
        world(staged, "two", monkeypatch, swapped=True),
    )


def test_nothing_that_blinded_people_can_fetch_tells_two_worlds_with_swapped_arms_apart(
    worlds: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    one, two = worlds
    assert [OTHER[arm] for arm in one.pop("true")] == two.pop("true")
    for table, rows in one["tables"].items():
        assert rows == two["tables"][table], table
    for part in one:
        assert one[part] == two[part], part
    words = repr(one["tables"]["event"])
    # The protocol's text names the drugs; it stands in the first event and in no other.
    after = repr(
        [row for row in one["tables"]["event"] if row[3] not in ("init", "protocol", "open", "begin", "amend")]
    )
    assert "ketamine" in words
    assert "midazolam" not in after.replace("ketamine-mbrp-cocaine", "")
