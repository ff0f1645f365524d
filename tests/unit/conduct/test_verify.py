"""Everything that is changed behind the program's back is named."""

from __future__ import annotations


def test_each_column_of_each_table_changed_by_hand_is_named(staged, database) -> None:
    from equipoise.conduct.drill.damage import changed_columns, damaged_ledgers, is_named, seen
    from equipoise.conduct.store.trial import Trial
    from equipoise.conduct.store.verify import verify

    trial = staged(database=database, slots=40)
    for number in (1, 2):
        trial.enrol(f"P-{number}")
        trial.do("carol", "randomize", participant=f"P-{number}")
    assert verify(trial.trial).findings == []
    owner = Trial(trial.trial.directory, trial.trial.config, as_owner=True)
    kinds = [*changed_columns(owner), *damaged_ledgers(owner, anchored=verify(owner).anchored_to)]
    assert len(kinds) > 90
    missed = {damage.name: [str(f) for f in found.findings] for damage in kinds
              if not is_named(damage, found := seen(owner, damage))}  # fmt: skip
    assert missed == {}
    assert verify(owner).findings == []  # the damage was rolled back
    owner.close()


def test_the_sealed_side_is_opened_with_the_key_and_every_text_has_one_length(staged) -> None:
    from equipoise.conduct.store.verify import verify_directory

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
