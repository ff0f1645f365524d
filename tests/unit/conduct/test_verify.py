"""Everything that is changed behind the program's back is named."""

from __future__ import annotations


def test_each_column_of_each_table_changed_by_hand_is_named(staged, database) -> None:
    from equipoise.conduct.drill.damage import changed_columns, damaged_ledgers, is_named, seen
    from equipoise.conduct.integrity.verify import verify
    from equipoise.conduct.trial.trial import Trial

    trial = staged(database=database, slots=40)
    for number in (1, 2):
        trial.enrol(f"P-{number}")
        trial.do("carol", "randomize", participant=f"P-{number}")
    assert verify(trial.trial).findings == []
    owner = Trial(trial.trial.directory, trial.trial.config, as_owner=True)
    kinds = [*changed_columns(owner), *damaged_ledgers(owner, anchored=verify(owner).anchored_to)]
    assert len(kinds) > 90
    missed = {
        damage.name: [str(f) for f in found.findings]
        for damage in kinds
        if not is_named(damage, found := seen(owner, damage))
    }
    assert missed == {}
    assert verify(owner).findings == []  # the damage was rolled back
    owner.close()


def test_the_sealed_side_is_opened_with_the_key_and_every_text_has_one_length(staged) -> None:
    from equipoise.conduct.integrity.verify import verify_directory

    trial = staged()
    found = verify_directory(trial.trial.directory, pharmacy=trial.pharmacy)
    assert found.ok
    lengths = trial.rows(
        "SELECT DISTINCT length(content) FROM slot UNION SELECT DISTINCT length(content) FROM sealed_event"
    )
    assert len(lengths) == 1
    text = (trial.trial.directory / "trial.sqlite3").read_bytes() + (
        trial.trial.directory / "trial.sqlite3-wal"
    ).read_bytes()
    arms = trial.trial.protocol(trial.trial.protocol_hash).arm_ids
    rows = trial.rows("SELECT what FROM event WHERE action <> 'init'") + trial.rows("SELECT content FROM slot")
    assert not any(arm in row[0] for arm in arms for row in rows)
    assert b'"arm"' not in text


def test_two_processes_find_what_one_finds(staged, database, monkeypatch) -> None:
    from equipoise.conduct.integrity import replay, verify
    from equipoise.conduct.rows import guards
    from equipoise.conduct.trial.trial import Trial

    trial = staged(database=database, slots=40)
    for number in (1, 2, 3, 4):
        trial.enrol(f"P-{number}")
    n = trial.rows("SELECT count(*) FROM event")[0][0]

    def found(long: int) -> list[str]:
        monkeypatch.setattr(verify, "LONG", long)
        return sorted(map(str, verify.verify(trial.trial).findings))

    walked = []
    real = replay.Second.walked
    monkeypatch.setattr(replay.Second, "walked", lambda second: walked.append(real(second)) or walked[-1])
    assert found(1) == found(10**9) == []
    (other,) = walked
    assert 0 < len(other.links) < n  # the second process had a part of the events, and not all
    owner = Trial(trial.trial.directory, trial.trial.config, as_owner=True)
    with owner.use(), owner.connection.cursor() as cursor:
        guards.remove(owner.connection)
        cursor.execute("UPDATE event SET why = 'x' WHERE number IN (%s, %s)", [n, n - 3])
        cursor.execute("UPDATE participant SET reason = 'x'")
        cursor.execute("UPDATE site SET approval = 'x'")
        cursor.execute("DELETE FROM event WHERE number = %s", [n - 5])
    owner.close()
    assert found(1) == found(10**9)
    assert len(walked[-1].findings) + len(walked[-1].differing) > 0
    codes = {line.split("'")[1] for line in found(1)}
    assert {"C060", "C061", "C062", "C064"} <= codes


def test_a_second_process_that_fails_costs_time_and_no_finding(staged, monkeypatch) -> None:
    from equipoise.conduct.integrity import replay, verify

    trial = staged()
    trial.enrol("P-1")
    monkeypatch.setattr(verify, "LONG", 1)
    monkeypatch.setattr(replay, "address_of", lambda trial: {"sqlite": "/nowhere/at/all"})
    found = verify.verify(trial.trial)
    assert found.findings == []
    assert found.n_events == trial.rows("SELECT count(*) FROM event")[0][0]


def test_a_trial_that_goes_on_meanwhile_verifies(staged, monkeypatch) -> None:
    """One moment of the database is looked at, by both processes, whatever is written meanwhile."""
    import multiprocessing

    from equipoise.conduct.integrity import verify
    from equipoise.conduct.trial.trial import Trial

    trial = staged()
    trial.enrol("P-1")
    trial.session("carol")
    trial.trial.close()  # a connection is never shared over a fork

    def go_on(ready) -> None:
        for number in range(10_000):
            trial.do("carol", "screen", participant=f"Q-{number}", site="main")
            ready.set()

    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=go_on, args=(ready,), daemon=True)
    process.start()
    try:
        assert ready.wait(30)
        again = Trial.open(trial.trial.directory)
        lengths = []
        for long in (1, 10**9, 1):
            monkeypatch.setattr(verify, "LONG", long)
            found = verify.verify(again)
            assert found.findings == []
            lengths.append(found.n_events)
        assert lengths == sorted(set(lengths))  # it did go on
        again.close()
    finally:
        process.kill()
        process.join()
