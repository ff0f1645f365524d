"""What is quarantined: sealed by whoever records, opened by the safety role's key, bound to its place."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from equipoise.conduct.keys.quarantine import Quarantine, SealedPlace, Sealer, is_sealed
from equipoise.foundation.errors import ConductError

from .driven import hire
from .test_clinical_actions import Refused, infusing

SIGNS = {"systolic": 147, "diastolic": 83, "pulse": 71, "saturation": 96}


@pytest.fixture
def trial(staged: Any) -> Any:
    out = staged()
    hire(out)
    return out


def recorded(trial: Any, score: int = 31) -> None:
    """One participant at the infusion: one reading, one dissociation score."""
    infusing(trial)
    trial.clock.at += timedelta(minutes=5)
    trial.do("nina", "infusion-vitals", participant="P-1", minute=5, **SIGNS)
    trial.do("carol", "visit", participant="P-1", visit="infusion")
    trial.do("nina", "record", participant="P-1", visit="infusion", form="dissociation", answers={"score": score})


def sealer(secret: bytes = b"s" * 32) -> Quarantine:
    return Quarantine(secret, trial="t", mode="training", instance="1")


PLACE = SealedPlace("P-1", "infusion", "dissociation", 1, "score", 42)


def test_whoever_has_the_public_key_seals_and_only_the_secret_key_opens_and_only_in_its_place() -> None:
    from equipoise.conduct.entropy import SeededEntropy

    key, entropy = sealer(), SeededEntropy("q")
    public = Sealer(key.public, trial="t", mode="training", instance="1")
    text = public.seal(PLACE, {"value": "31", "missing": ""}, entropy)
    assert key.open(PLACE, text) == {"value": "31", "missing": ""}
    assert not hasattr(public, "open")
    others = [
        SealedPlace("P-2", "infusion", "dissociation", 1, "score", 42),
        SealedPlace("P-1", "day-9", "dissociation", 1, "score", 42),
        SealedPlace("P-1", "infusion", "vitals", 1, "score", 42),
        SealedPlace("P-1", "infusion", "dissociation", 2, "score", 42),
        SealedPlace("P-1", "infusion", "dissociation", 1, "item", 42),
        SealedPlace("P-1", "infusion", "dissociation", 1, "score", 43),
    ]
    _, sealed, _ = text.split(":")
    for place in others:
        assert not public.is_in_place(place, text)  # seen without the secret key
        forged = f"q1:{sealed}:{public.commitment(place, sealed)}"  # the commitment made to fit
        assert public.is_in_place(place, forged)
        with Refused("C044"):
            key.open(place, forged)
    with Refused("C044"):
        sealer(b"z" * 32).open(PLACE, text)
    changed = bytearray(base64.b64decode(sealed))
    changed[40] ^= 1
    bent = base64.b64encode(bytes(changed)).decode()
    with Refused("C044"):
        key.open(PLACE, f"q1:{bent}:{public.commitment(PLACE, bent)}")


def test_every_sealed_value_has_one_length_and_the_same_value_never_the_same_text() -> None:
    from equipoise.conduct.entropy import SeededEntropy

    key, entropy = sealer(), SeededEntropy("q")
    texts = [
        key.seal(PLACE, {"value": value, "missing": missing}, entropy)
        for value, missing in (
            ("0", ""),
            ("100", ""),
            ("", "left-out"),
            ("not_evaluable", ""),
            ("x" * 200, ""),
            ("0", ""),
        )
    ]
    assert len({len(text) for text in texts}) == 1
    assert len(set(texts)) == len(texts)
    with Refused("C045"):
        key.seal(PLACE, {"value": "x" * 300, "missing": ""}, entropy)


def test_a_sealed_value_is_opened_by_a_second_differently_written_program() -> None:
    """X25519 by the ladder of RFC 7748, HKDF of RFC 5869 by hand; AES-GCM alone is the library's."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from equipoise.conduct.entropy import SeededEntropy

    secret = bytes(range(32))
    text = sealer(secret).seal(PLACE, {"value": "31", "missing": ""}, SeededEntropy("q"))
    raw = base64.b64decode(text.split(":")[1])

    def times(scalar: bytes, point: bytes) -> bytes:
        p, k = 2**255 - 19, int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | (1 << 254)
        u = int.from_bytes(point, "little") & ~(1 << 255)
        x2, z2, x3, z3 = 1, 0, u, 1
        for bit in f"{k:0255b}":
            if bit == "1":
                x2, x3, z2, z3 = x3, x2, z3, z2
            a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
            da, cb, aa, bb = d * a, c * b, a * a, b * b
            x3, z3, e = (da + cb) ** 2 % p, u * (da - cb) ** 2 % p, aa - bb
            x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
            if bit == "1":
                x2, x3, z2, z3 = x3, x2, z3, z2
        return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")

    public = times(secret, (9).to_bytes(32, "little"))
    first = hmac.new(raw[:32] + public, times(secret, raw[:32]), hashlib.sha256).digest()
    made, block = b"", b""
    for number in range(1, math.ceil(44 / 32) + 1):
        block = hmac.new(first, block + b"equipoise quarantine 1" + bytes([number]), hashlib.sha256).digest()
        made += block
    place = ["equipoise quarantine 1", "t", "training", "1", "P-1", "infusion", "dissociation", 1, "score", 42]
    about = json.dumps(place, separators=(",", ":")).encode()
    opened = AESGCM(made[:32]).decrypt(made[32:44], raw[32:], about)
    assert json.loads(opened) == {"value": "31", "missing": ""}
    assert hashlib.sha256(about + b"\n" + text.split(":")[1].encode()).hexdigest()[:32] == text.split(":")[2]


def test_no_quarantined_value_stands_in_the_database_and_no_digest_of_it_can_be_guessed(
    staged: Any, database: str
) -> None:
    from equipoise.conduct.actions.context import asked_of
    from equipoise.conduct.actions.dispatch import find_action
    from equipoise.conduct.integrity.backup import TABLES_KEPT
    from equipoise.conduct.integrity.verify import verify

    trial = staged(database=database)
    hire(trial)
    recorded(trial)
    for item, value in trial.rows("SELECT item, value FROM item WHERE blinding <> 'open'"):
        assert is_sealed(value), item
    assert trial.rows("SELECT DISTINCT missing FROM item WHERE blinding <> 'open'") == [("",)]
    words = [str(cell) for table in TABLES_KEPT for row in trial.rows(f"SELECT * FROM {table}") for cell in row]
    assert not any(f'"{value}"' in text or f": {value}," in text for text in words for value in (147, 83, 31))
    action = find_action("infusion-vitals")
    given = {"participant": "P-1", "minute": 5, **SIGNS}
    events = trial.rows("SELECT what FROM event WHERE action IN ('infusion-vitals', 'record')")
    told = [json.loads(what)["asked"] for (what,) in events]
    assert asked_of(action, given, "") not in told
    assert all("q1:" in what for (what,) in events)
    assert verify(trial.trial).findings == []
    assert verify(trial.trial, key=trial.trial.quarantine(trial.safety)).findings == []


def test_a_request_repeated_after_a_lost_reply_still_says_that_the_infusion_stops(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=5)
    given = {"participant": "P-1", "minute": 5, "systolic": 181, "diastolic": 83}
    first = trial.do("nina", "infusion-vitals", key="reading 1", **given)
    again = trial.do("nina", "infusion-vitals", key="reading 1", **given)
    assert again.repeated
    assert first.answer["stop"] is again.answer["stop"] is True
    with Refused("C015"):
        trial.do("nina", "infusion-vitals", key="reading 1", **{**given, "minute": 10})


def test_which_rule_stopped_an_infusion_is_sealed_and_others_are_not_told_that_one_did(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=5)
    trial.do("nina", "infusion-vitals", participant="P-1", minute=5, systolic=181, diastolic=83)
    words = " ".join(row[0] for row in trial.rows("SELECT what FROM event WHERE action <> 'init'"))
    assert "systolic-high" not in words
    for who, seen in (("carol", "running"), ("mona", "running"), ("nina", "held")):
        told = trial.do(who, "read", participant="P-1").told["forms"]
        assert told["infusion-day-2 infusion-sheet 1"]["state"] == seen
        assert "stop" not in str(told)
    read = trial.do("sam", "read", participant="P-1", opened=True).told["forms"]
    assert read["infusion-day-2 infusion-vitals 1"]["(stop-rules)"] == "systolic-high"
    trial.clock.at += timedelta(minutes=1)
    trial.do("nina", "infusion-stop", participant="P-1", why="on the physician's order")
    trial.clock.at += timedelta(minutes=40)
    late = trial.do("nina", "infusion-vitals", participant="P-1", minute=45, systolic=190, diastolic=90)
    assert late.told["stop_rules"]
    assert late.answer["stop"] is False  # after the end nothing is stopped, and nothing open tells of the reading


def test_readings_once_a_minute_and_missing_ones_are_seen_without_the_key(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=5)
    trial.do("nina", "infusion-vitals", participant="P-1", minute=5, **SIGNS)
    with Refused("C601"):
        trial.do("nina", "infusion-vitals", participant="P-1", minute=5, **SIGNS)
    trial.clock.at += timedelta(minutes=5)
    end = trial.do("nina", "infusion-stop", participant="P-1", why="asked to stop").answer
    assert end["readings_missing"] == ["minute 0", "minute 10"]


def test_a_correction_is_told_whole_or_made_with_the_key_and_former_values_stay_sealed(trial: Any) -> None:
    recorded(trial)
    form = {"participant": "P-1", "visit": "infusion-day-2", "form": "infusion-vitals"}
    with Refused("C600"):
        trial.do("nina", "correct", **form, answers={"pulse": 72}, why="misread")
    whole = {"minute": 5, "systolic": 148, "diastolic": 84, "pulse": 72, "saturation": None}
    with Refused("C574"):  # checked with the values in hand
        trial.do("nina", "correct", **form, answers={**whole, "diastolic": 150}, why="misread")
    trial.do("nina", "correct", **form, answers=whole, why="misread")
    with Refused("C574"):  # and with the former ones where the key is at hand
        trial.do("nina", "correct", **form, answers={"diastolic": 149}, why="misread", opened=True)
    trial.do("nina", "correct", **form, answers={"diastolic": 80}, why="misread", opened=True)
    read = trial.do("sam", "read", participant="P-1", opened=True).told["forms"]["infusion-day-2 infusion-vitals 1"]
    shown = {name: read[name] for name in ("minute", "systolic", "diastolic", "pulse", "saturation")}
    assert shown == {"minute": "5", "systolic": "148", "diastolic": "80", "pulse": "72", "saturation": "(left-out)"}
    for (what,) in trial.rows("SELECT what FROM event WHERE action = 'correct'"):
        assert "before" not in json.loads(what)
    with Refused("C600"):
        trial.do("ruth", "correct", **form, answers=whole, why="misread")


def test_what_was_confirmed_though_unusual_is_sealed_and_opens_no_query(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=10)
    with Refused("C575"):
        trial.do("nina", "infusion-vitals", participant="P-1", minute=5, **{**SIGNS, "pulse": 44})
    trial.do("nina", "infusion-vitals", participant="P-1", minute=5, **{**SIGNS, "pulse": 44}, confirm=["pulse"])
    trial.do("nina", "infusion-vitals", participant="P-1", minute=10, **SIGNS)
    assert trial.rows("SELECT count(*) FROM query") == [(0,)]
    read = trial.do("sam", "read", participant="P-1", opened=True).told["forms"]
    assert read["infusion-day-2 infusion-vitals 1"]["(confirmed)"] == "pulse"
    assert read["infusion-day-2 infusion-vitals 2"]["(confirmed)"] == "none"
    # nothing in the rows differs but ciphertext and numbers
    rows = trial.rows(
        "SELECT repeat, item, type, unit, missing, blinding, length(value) FROM item"
        " WHERE form = 'infusion-vitals' AND blinding <> 'open'"
    )
    one, two = (sorted(row[1:] for row in rows if row[0] == repeat) for repeat in (1, 2))
    assert one == two


def exchange(cursor: Any, places: list[tuple[str, str, int]]) -> None:
    """Exchange the sealed values of two rows of the ledger and of the table, the chain and its head made anew."""
    from equipoise.conduct.drill.damage import rewrite

    cells = []
    for participant, item, event in places:
        cursor.execute(
            "SELECT value FROM item WHERE participant = %s AND item = %s AND event_number = %s",
            [participant, item, event],
        )
        cells.append(cursor.fetchone()[0])
    swapped = dict(zip(places, reversed(cells), strict=True))

    def change(event: int) -> Any:
        def changed(what: dict[str, Any]) -> dict[str, Any]:
            for row in what["put"]["item"]:
                row["value"] = swapped.get((row["participant"], row["item"], event), row["value"])
            return what

        return changed

    for event in sorted({event for _, _, event in places}):
        rewrite(cursor, event, change(event))
    for (participant, item, event), value in swapped.items():
        cursor.execute(
            "UPDATE item SET value = %s WHERE participant = %s AND item = %s AND event_number = %s",
            [value, participant, item, event],
        )


@pytest.fixture
def two(staged: Any, database: str) -> Any:
    """Two people with a score each; the events that wrote them."""
    trial = staged(database=database)
    hire(trial)
    for number in (1, 2):
        trial.enrol(f"P-{number}")
        trial.do("carol", "day-1", participant=f"P-{number}")
    trial.clock.at += timedelta(days=1)
    for number, score in ((1, 31), (2, 77)):
        trial.do("carol", "randomize", participant=f"P-{number}")
        trial.do("carol", "visit", participant=f"P-{number}", visit="infusion")
        trial.do(
            "nina", "record", participant=f"P-{number}", visit="infusion", form="dissociation", answers={"score": score}
        )
    return trial


def test_sealed_values_exchanged_between_people_are_named_without_any_key(two: Any) -> None:
    from equipoise.conduct.drill.damage import Damage, seen
    from equipoise.conduct.trial.trial import Trial

    places = two.rows("SELECT participant, item, event_number FROM item WHERE item = 'score' ORDER BY participant")
    owner = Trial(two.trial.directory, two.trial.config, as_owner=True)
    for anchor in two.trial.receipts.glob("*"):
        anchor.unlink()  # no anchor vouches for anything: only what is sealed can tell
    found = seen(owner, Damage("exchanged", lambda cursor: exchange(cursor, places), "P-1"))
    # That the anchors are gone is named as well (C077), apart from what was exchanged.
    others = [finding for finding in found.findings if finding.code != "C077"]
    assert Counter(finding.code for finding in others) == {"C044": 2}
    assert [f"event {event}, {who} infusion dissociation {item}" for who, item, event in places] == [
        finding.place for finding in others
    ]
    owner.close()


def test_a_commitment_made_to_fit_is_named_with_the_key(two: Any) -> None:
    from equipoise.conduct.drill.damage import _unguarded, rewrite
    from equipoise.conduct.integrity.verify import verify
    from equipoise.conduct.trial.trial import Trial

    owner = Trial(two.trial.directory, two.trial.config, as_owner=True)
    for anchor in two.trial.receipts.glob("*"):
        anchor.unlink()
    event, value = two.rows("SELECT event_number, value FROM item WHERE item = 'score' AND participant = 'P-2'")[0]
    other = two.rows("SELECT value FROM item WHERE item = 'score' AND participant = 'P-1'")[0][0]
    assert value != other
    place = SealedPlace("P-2", "infusion", "dissociation", 1, "score", event)
    _, sealed, _ = other.split(":")
    forged = f"q1:{sealed}:{two.trial.sealer.commitment(place, sealed)}"

    def change(what: dict[str, Any]) -> dict[str, Any]:
        for row in what["put"]["item"]:
            row["value"] = forged if row["item"] == "score" else row["value"]
        return what

    with _unguarded(owner) as cursor:
        rewrite(cursor, event, change)
        cursor.execute("UPDATE item SET value = %s WHERE item = 'score' AND participant = 'P-2'", [forged])
        # C077 names the anchors that are gone.
        without = [f for f in verify(owner).findings if f.code not in ("C004", "C077")]
        named = verify(owner, key=owner.quarantine(two.safety)).findings
        with_key = [f for f in named if f.code not in ("C004", "C077")]
    assert without == []
    assert [finding.code for finding in with_key] == ["C044"]
    owner.close()


def test_a_cut_holds_what_is_quarantined_with_the_key_or_says_that_it_was_left_out(trial: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records

    recorded(trial)
    trial.do("sam", "open-arms", why="the safety board asked")
    at = trial.clock.now()
    sources: dict[str, Any] = {"at": at, "edition": "unblinded", "pharmacy": trial.pharmacy}
    with Refused("C043"):
        cut_records(trial.trial, **sources)
    without = cut_records(trial.trial, **sources, without_quarantined=True)
    assert without["vitals"].is_empty()
    assert without.source.details["quarantined"] == "left out"
    whole = cut_records(trial.trial, **sources, safety=trial.safety)
    assert whole["vitals"].select("minute", *SIGNS).rows() == [(5.0, 147.0, 83.0, 71.0, 96.0)]
    scores = whole["assessments"].select("instrument", "item", "value").rows()
    assert scores == [("dissociation", "score", 31.0)]
    blinded = cut_records(trial.trial, at=at, edition="blinded", safety=trial.safety)
    assert blinded["vitals"].is_empty()
    assert "dissociation" not in blinded["assessments"]["instrument"].to_list()


def test_after_the_lock_the_safety_role_publishes_the_key_and_everybody_reads(staged: Any, database: str) -> None:
    from equipoise.conduct.cut.cut import cut_records
    from equipoise.conduct.integrity.verify import verify

    trial = staged(database=database)
    hire(trial)
    recorded(trial)
    trial.clock.at += timedelta(minutes=35)
    trial.do("nina", "infusion-stop", participant="P-1", why="a slow pump", at=trial.clock.at.isoformat())
    with Refused("C017"):
        trial.do("sam", "open-quarantine", opened=True)
    trial.do("alice", "freeze")
    trial.do("ivan", "sign-off", participant="P-1")
    trial.do("alice", "lock")
    with Refused("C043"):
        cut_records(trial.trial, at=trial.clock.now(), edition="blinded")
    with Refused("C043"):
        trial.do("sam", "open-quarantine")
    with Refused("C013"):
        trial.do("alice", "open-quarantine", opened=True)
    assert "'31'" not in str(trial.do("mona", "read", participant="P-1").told)
    trial.do("sam", "open-quarantine", opened=True)
    with Refused("C627"):
        trial.do("sam", "open-quarantine", opened=True)
    assert "'31'" in str(trial.do("mona", "read", participant="P-1").told)
    assert cut_records(trial.trial, at=trial.clock.now(), edition="blinded")["vitals"].height == 1
    assert verify(trial.trial, key=trial.trial.quarantine()).findings == []


def test_a_backup_carries_what_is_sealed_and_the_copy_of_the_key_opens_it_again(
    staged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from equipoise.conduct.integrity.backup import back_up, restore
    from equipoise.conduct.trial.create import FirstAccount, create_trial
    from equipoise.workflow.library import read_protocol

    from .conftest import PASSPHRASE, Staged

    other = staged(name="other")
    people = [
        FirstAccount(who, (role,), PASSPHRASE)
        for who, role in (
            ("alice", "administrator"),
            ("carol", "coordinator"),
            ("ivan", "investigator"),
            ("phil", "pharmacist"),
            ("sam", "safety"),
        )
    ]
    made = create_trial(
        read_protocol("ketamine-mbrp-cocaine"),
        tmp_path / "kept",
        mode="training",
        pharmacy=tmp_path / "kept-pharmacy",
        accounts=people,
        safety_copy="aaaa-bbbb-cccc",
        clock=other.clock,
        entropy=other.entropy,
    )
    trial = Staged(made, tmp_path / "kept-pharmacy", tmp_path / "kept-safety", other.clock, other.entropy)
    trial.do("alice", "activate-site", site="main", approval="IRB")
    hire(trial)
    recorded(trial)
    back_up(trial.trial, tmp_path / "one.backup", clock=trial.clock, entropy=trial.entropy)
    again = restore(tmp_path / "one.backup", tmp_path / "again", clock=trial.clock, entropy=trial.entropy)
    (trial.safety / "key.json").unlink()
    found = Staged(again, trial.pharmacy, tmp_path / "new-safety", trial.clock, trial.entropy)
    with Refused("C043"):
        found.do("sam", "read", participant="P-1", opened=True)
    with Refused("C046"):
        again.copy_safety_key("aaaa-bbbb-dddd", found.safety)
    again.copy_safety_key("AAAA BBBB CCCC", found.safety)
    assert "'31'" in str(found.do("sam", "read", participant="P-1", opened=True).told)
    with pytest.raises(Exception, match="O032"):
        again.copy_safety_key("aaaa-bbbb-cccc", found.safety)
    with Refused("C046"):
        other.trial.copy_safety_key("aaaa-bbbb-cccc", tmp_path / "none")
    with Refused("C043"):  # another trial's key
        other.trial.quarantine(found.safety)
    again.close()
    made.close()


def test_an_amended_class_leaves_earlier_values_as_they_were_recorded(trial: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records
    from equipoise.conduct.integrity.verify import verify
    from equipoise.workflow.library import protocol_path

    recorded(trial)
    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    words = "instrument: dissociation, label: Dissociation, blinding: quarantined"
    assert words in text
    trial.do(
        "alice",
        "amend",
        text=text.replace(words, words.replace("quarantined", "open")),
        confirm=True,
        why="the board found it harmless",
    )
    blinded = cut_records(trial.trial, at=trial.clock.now(), edition="blinded")
    assert "dissociation" not in blinded["assessments"]["instrument"].to_list()
    trial.do("sam", "open-arms", why="the test looks")
    whole = cut_records(
        trial.trial, at=trial.clock.now(), edition="unblinded", pharmacy=trial.pharmacy, safety=trial.safety
    )
    assert whole["assessments"]["value"].to_list() == [31.0]
    assert verify(trial.trial).findings == []
    with Refused("C578"):
        text = text.replace("type: event, ", "type: event, blinding: quarantined, ")
        assert "blinding: quarantined, " in text
        trial.do("alice", "amend", text=text, confirm=True, why="more")


def test_a_redaction_reaches_what_is_sealed_with_the_key_alone(trial: Any) -> None:
    from equipoise.conduct.integrity.verify import verify

    recorded(trial)
    place = {"participant": "P-1", "visit": "infusion", "form": "dissociation"}
    trial.do("sam", "query", **place, item="score", text="Jane Roe said another number")
    with Refused("C129"):
        trial.do("alice", "redact", participant="P-1", text="Jane Roe", why="a name was typed")
    done = trial.do("alice", "redact", participant="P-1", text="Jane Roe", why="a name was typed", opened=True)
    assert done.answer["sealed_not_searched"] == 0
    shown = trial.do("sam", "queries", opened=True).told["queries"]
    assert [row["text"] for row in shown] == ["[redacted]"]
    assert verify(trial.trial, key=trial.trial.quarantine(trial.safety)).findings == []
    assert "'31'" in str(trial.do("sam", "read", participant="P-1", opened=True).told)


def test_a_trial_without_such_a_key_says_so(trial: Any) -> None:
    trial.trial.__dict__["safety_words"] = {}
    with pytest.raises(ConductError) as error:
        _ = trial.trial.sealer
    assert error.value.problems[0].code == "C043"
