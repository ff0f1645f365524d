"""Copies of the ledger: each site's own events in full, the others as hashes, and what the ledger lost is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from equipoise.foundation.errors import ConductError


@pytest.fixture
def two_sites(staged, database):
    """Two sites, a participant at each, and a data manager who reads across sites."""
    from equipoise.conduct.actions.sign_in import Session

    trial = staged(database=database, slots=40)
    trial.do("alice", "add-site", site="second", zone="America/New_York")
    trial.do("alice", "activate-site", site="second", approval="IRB")
    for account, role, site in (("cora", "coordinator", "second"), ("dan", "data-manager", "")):
        sites = {"sites": [site]} if site else {}
        trial.do("alice", "add-account", account=account, person=account, roles=[role], **sites)
        trial.sessions[account] = Session(account)
    trial.do("carol", "screen", participant="M-1", site="main")
    trial.do("cora", "screen", participant="S-1", site="second")
    return trial


def _take(trial, folder: Path, site: str | None, who: str):
    from equipoise.conduct.actions.administration.copies import take_copy

    return take_copy(trial.trial, trial.session(who), folder, site=site, clock=trial.clock, entropy=trial.entropy)


def _check(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The checker as a site runs it: one file, isolated, no packages."""
    import equipoise.conduct

    script = Path(equipoise.conduct.__file__).parent / "integrity" / "check_copy.py"
    return subprocess.run(
        [sys.executable, "-I", "-S", str(script), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_site_has_its_own_events_in_full_and_no_others(two_sites, tmp_path) -> None:
    from equipoise.conduct.integrity.copies import read_copy

    trial = two_sites
    first = _take(trial, tmp_path / "main", "main", "carol")
    text = first.file.read_text("utf-8")
    assert "M-1" in text
    assert "S-1" not in text
    assert "cora" not in text
    assert first.file.stat().st_mode & 0o222 == 0  # nobody writes into it by accident
    trial.do("carol", "consent", participant="M-1", version="1.0")
    trial.do("cora", "consent", participant="S-1", version="1.0")
    before = first.file.read_bytes()
    second = _take(trial, tmp_path / "main", "main", "carol")
    assert (second.first, first.file.read_bytes()) == (first.last + 1, before)
    copy = read_copy(tmp_path / "main")
    hashes = [row[0] for row in trial.rows("SELECT hash FROM event WHERE number <= %s ORDER BY number", second.last)]
    assert copy.hashes == hashes
    own = "site = 'main' OR participant = 'M-1'"
    assert copy.n_full == trial.rows(f"SELECT count(*) FROM event WHERE {own}")[0][0]
    every = _take(trial, tmp_path / "every", None, "dan")
    assert {"M-1", "S-1"} <= set(every.file.read_text().split('"'))
    # the words in which the first event keeps the safety role's key are for no copy
    assert len(json.loads(every.file.read_text().splitlines()[1])) == 3


def test_what_a_copy_holds_and_the_ledger_does_not_is_named(two_sites, tmp_path) -> None:
    """The forger has the database, every chain made to fit and every anchor of the machine: a copy is enough."""
    from equipoise.conduct.drill.damage import _mend_head, rewrite
    from equipoise.conduct.integrity.verify import verify
    from equipoise.conduct.rows import guards
    from equipoise.conduct.trial.trial import Trial

    trial = two_sites
    taken = _take(trial, tmp_path / "main", "main", "carol")
    trial.do("carol", "consent", participant="M-1", version="1.0")
    whole = verify(trial.trial, against=[tmp_path / "main"])
    assert whole.findings == []
    assert whole.anchored_to == taken.last
    for path in trial.trial.receipts.iterdir():
        path.unlink()
    owner = Trial(trial.trial.directory, trial.trial.config, as_owner=True)

    def cut(cursor) -> None:
        cursor.execute("DELETE FROM event WHERE number > %s", [taken.last - 2])
        _mend_head(cursor, taken.last - 2)

    def anew(cursor) -> None:
        rewrite(cursor, taken.last - 3, lambda what: {**what, "forged": "yes"})

    for damage, words in ((cut, f"ends at event {taken.last - 2}"), (anew, f"From event {taken.last - 3} on")):
        alone, against = _seen(owner, damage, tmp_path / "main")
        assert {finding.code for finding in alone} <= {"C004", "C063", "C064", "C077"}
        assert "C075" not in {finding.code for finding in alone}
        (named,) = [finding for finding in against if finding.code == "C075"]
        assert words in named.found
    # nothing more is written into a copy by a ledger that lost what it holds
    with owner.use(), owner.connection.cursor() as cursor:
        guards.remove(owner.connection)
        anew(cursor)
        guards.install(owner.connection)
    owner.close()
    with pytest.raises(ConductError) as error:
        _take(trial, tmp_path / "main", "main", "carol")
    assert error.value.problems[0].code == "C075"
    assert [path.name for path in (tmp_path / "main").iterdir()] == [taken.file.name]


def _seen(owner, damage, copy: Path) -> list[list]:
    """Findings of verify alone and against a copy, with a damage that is undone afterwards."""
    from django.db import transaction

    from equipoise.conduct.integrity.verify import verify
    from equipoise.conduct.rows import guards

    with owner.use(), transaction.atomic(using=owner.alias), owner.connection.cursor() as cursor:
        guards.remove(owner.connection)
        damage(cursor)
        found = [verify(owner).findings, verify(owner, against=[copy]).findings]
        transaction.set_rollback(True, using=owner.alias)
    return found


@pytest.mark.parametrize("database", ["sqlite"])
def test_who_may_have_which_copy(two_sites, tmp_path, database) -> None:
    for who, site, code in (
        ("cora", "main", "C014"),
        ("carol", None, "C626"),
        ("phil", "main", "C013"),
        ("alice", None, "C013"),
        ("dan", "third", "C014"),
    ):
        with pytest.raises(ConductError) as error:
            _take(two_sites, tmp_path / "copy", site, who)
        assert error.value.problems[0].code == code, (who, site)
    assert not (tmp_path / "copy").exists()
    _take(two_sites, tmp_path / "copy", "second", "dan")
    with pytest.raises(ConductError) as error:  # a folder belongs to one site
        _take(two_sites, tmp_path / "copy", "main", "dan")
    assert error.value.problems[0].code == "C076"


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_copy_is_checked_by_python_alone(two_sites, tmp_path, database) -> None:
    main, second = tmp_path / "main", tmp_path / "second"
    first = _take(two_sites, main, "main", "carol")
    two_sites.do("carol", "consent", participant="M-1", version="1.0", why='Zu\u0308rich "\\ \u00e5 caf\u00e9')
    _take(two_sites, main, "main", "carol")
    last = _take(two_sites, second, "second", "cora")
    anchor = first.receipt.anchor.text
    done = _check(main, second, "--anchor", anchor)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{last.last} events" in done.stdout
    assert done.stdout.count("agree") == 3
    assert _check(main, "--anchor", f"{anchor[:-1]}{'0' if anchor[-1] != '0' else '1'}").returncode == 1
    assert _check(tmp_path / "nothing").returncode == 1
    # every character of the newest increment: changed, the copy is not whole, for the checker and for the program
    from equipoise.conduct.integrity.check_copy import NotWhole, check_copy
    from equipoise.conduct.integrity.copies import read_copy

    whole = last.file.read_bytes()
    last.file.chmod(0o600)
    for at in range(0, len(whole), 61):
        last.file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(NotWhole):
            check_copy(second)
        with pytest.raises(ConductError) as error:
            read_copy(second)
        assert error.value.problems[0].code == "C074"
    last.file.write_bytes(whole)
    first.file.unlink()  # an increment is missing
    assert "is missing" in _check(main).stdout


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_forged_copy_is_told_by_another_one(two_sites, tmp_path, database) -> None:
    """A copy whose chain was made anew is whole in itself: the copy of another site differs."""
    main, second = tmp_path / "main", tmp_path / "second"
    taken = _take(two_sites, main, "main", "carol")
    _take(two_sites, second, "second", "cora")
    _forge(taken.file)
    done = _check(main, second)
    assert done.returncode == 1
    assert "differ from event" in done.stdout
    assert "NOT WHOLE" not in done.stdout


def _forge(path: Path) -> None:
    """Rewrite the newest event in full and everything that hangs on it."""
    from hashlib import sha256

    from equipoise.conduct.audit_trail.canonical import canonical, digest_of
    from equipoise.conduct.audit_trail.events import hash_of
    from equipoise.conduct.rows.tables import EventRow

    head, *lines, _ = path.read_text("utf-8").splitlines()
    event = EventRow(*json.loads(lines[-1]))._replace(why="another reason")
    event = event._replace(digest=digest_of(event.salt, event.why, event.what))
    event = event._replace(hash=hash_of(event))
    lines[-1] = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    text = "".join(f"{line}\n" for line in (head, *lines))
    end = {"anchor": [event.number, event.hash], "digest": sha256(text.encode()).hexdigest()}
    path.chmod(0o600)
    path.write_text(text + canonical(end) + "\n", "utf-8")


def test_quarantined_values_in_plain_and_keys_stand_in_no_copy_in_full() -> None:
    from equipoise.conduct.audit_trail.canonical import written
    from equipoise.conduct.integrity.copies import tells_too_much

    row = {"participant": "P-1", "item": "q1", "blinding": "quarantined"}
    assert tells_too_much(written({"put": {"item": [{**row, "value": "7"}]}}))
    assert not tells_too_much(written({"put": {"item": [{**row, "value": "q1:sealed:commitment"}]}}))
    assert not tells_too_much(written({"put": {"item": [{**row, "blinding": "open", "value": "7"}]}}))
    assert tells_too_much(written({"quarantine": {"public": "x"}, "put": {}}))
    assert tells_too_much(written({"secret": "x"}))


def test_the_checker_imports_nothing_of_ours() -> None:
    import ast

    import equipoise.conduct

    tree = ast.parse((Path(equipoise.conduct.__file__).parent / "integrity" / "check_copy.py").read_text("utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert modules <= set(sys.stdlib_module_names)
    assert {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} == {"__future__"}


def test_two_who_take_the_same_copy_at_once_do_so_one_after_the_other(staged, tmp_path) -> None:
    import threading

    from equipoise.conduct.integrity.copies import read_copy

    trial, folder = staged(), tmp_path / "copy"
    trial.session("mona")
    failed: list[BaseException] = []

    def take() -> None:
        try:
            _take(trial, folder, None, "mona")
        except BaseException as error:
            failed.append(error)
        finally:
            trial.trial.close()  # this thread's connection

    taken = "SELECT count(*) FROM event WHERE action = 'copy'"
    with trial.trial.alone(".copying"):  # somebody is taking one
        threads = [threading.Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.3)
        assert trial.rows(taken) == [(0,)]
    for thread in threads:
        thread.join(30)
    assert not failed
    assert trial.rows(taken) == [(2,)]
    copy = read_copy(folder)
    assert copy.number == trial.rows("SELECT max(number) FROM event")[0][0]
    assert len(copy.anchors) == 2
