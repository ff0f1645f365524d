"""Signing in: who acts, in which roles, on which device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from equipoise.conduct.clock import Clock, Moment, usual_clock
from equipoise.conduct.entropy import Entropy, SystemEntropy, code
from equipoise.conduct.keys.credentials import credential_digest, hashed, is_outdated, is_right, take_as_long
from equipoise.conduct.rows.tables import AccountRow, CredentialRow
from equipoise.conduct.trial.ledger import writing
from equipoise.conduct.trial.trial import Trial
from equipoise.foundation.errors import ConductError, Problem
from equipoise.foundation.printable import escaped
from equipoise.foundation.version import program_version

CODES = {
    "C010": "The account or its passphrase is wrong, or the account is disabled.",
    "C011": "Too many wrong passphrases: the account is locked for a while.",
}

TRIES = 5
WAIT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in: the door asks the ledger again at every action whether the account still may."""

    account: str
    device: str = ""


def sign_in(
    trial: Trial,
    account: str,
    passphrase: str,
    *,
    device: str = "",
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    second: Callable[[], bool] | None = None,
) -> Session:
    """A session for ``account``; signing in, and failing to, are events of the ledger. ``second`` is asked beside the
    passphrase, and counts as it does: a one-time code.

    Raises :class:`~equipoise.foundation.errors.ConductError`: C010 where account or passphrase are wrong (the same for
    both), C011 for a quarter of an hour after five failures.
    """
    clock, entropy = clock or usual_clock(trial.mode), entropy or SystemEntropy()
    with trial.use():
        known = trial.first(AccountRow, account=account)
        kept = trial.first(CredentialRow, account=account)
    now = Moment.of(clock, "")
    if known is None or kept is None:
        # what was typed for a name stands in the ledger, and is shown to whoever reads it
        account = escaped(account, allowed="")[:80]
        take_as_long(passphrase)  # an unknown account takes as long as a known one
        _note(trial, (clock, entropy), "sign-in-refused", account, device, lambda: {"account-known": False})
        raise _refused()
    refusals, encoded = known.refusals, kept.encoded
    if refusals >= TRIES and now.utc < datetime.fromisoformat(known.refused_at) + WAIT:
        raise _waits(account, refusals)
    whole = credential_digest(encoded) == known.credential  # a hash put into the database by hand opens nothing
    right = is_right(passphrase, encoded) and whole
    right = (second is None or second()) and right
    if not right or known.state != "active" or (known.expires_on and now.local_date.isoformat() > known.expires_on):

        def refusal() -> Mapping[str, Any]:
            counted = {"account": account, "refusals": _refusals(trial, account, now) + (not right)}
            return {"put": {"account": [{**counted, "refused_at": now.text}]}}

        _note(trial, (clock, entropy), "sign-in-refused", account, device, refusal)
        raise _refused()

    anew = hashed(passphrase, entropy) if is_outdated(encoded) else ""

    def admission() -> Mapping[str, Any]:
        row: dict[str, Any] = {"refusals": 0} if _refusals(trial, account, now) else {}
        if anew and _still(trial, account, encoded):
            row["credential"] = credential_digest(anew)
        return {"put": {"account": [{"account": account, **row}]}} if row else {}

    _note(trial, (clock, entropy), "sign-in", account, device, admission, anew)
    return Session(account, device)


def note_end(
    trial: Trial, account: str, by: str, *, device: str = "", clock: Clock | None = None, entropy: Entropy | None = None
) -> None:
    """Note that a session ended by itself: it idled, or its time was over."""
    sources = clock or usual_clock(trial.mode), entropy or SystemEntropy()
    _note(trial, sources, "session-ended", account, device, lambda: {"signed": "out", "by": by})


def _still(trial: Trial, account: str, encoded: str) -> bool:
    """Whether the account's passphrase is still the one that was looked at before the write lock was had."""
    return trial.values(CredentialRow, ("encoded",), account=account) == [(encoded,)]


def _refusals(trial: Trial, account: str, now: Moment) -> int:
    """Wrong passphrases in a row as they stand under the write lock: whoever guesses in parallel is counted by each.

    C011 where others brought them to five while this one was held against the account's.
    """
    row = trial.first(AccountRow, account=account)
    if row is None:
        return 0
    if row.refusals >= TRIES and now.utc < datetime.fromisoformat(row.refused_at) + WAIT:
        raise _waits(account, row.refusals)
    return int(row.refusals)


@dataclass(frozen=True, slots=True)
class HeldPassphrase:
    """What became of a passphrase held against an account's stored hash; the passphrase itself is not kept."""

    account: str
    encoded: str
    is_right: bool


def hold_passphrase(trial: Trial, account: str, passphrase: str) -> HeldPassphrase | None:
    """Hold a passphrase against the account's own before the write lock is had: it is slow on purpose, and meanwhile
    nobody else could record. What holds under the lock is decided there, by :func:`check_again`.
    """
    with trial.use():
        kept = trial.values(CredentialRow, ("encoded",), account=account)
    return HeldPassphrase(account, kept[0][0], is_right(passphrase, kept[0][0])) if kept else None


def check_again(
    trial: Trial, account: str, passphrase: str, now: Moment, *, held: HeldPassphrase | None = None
) -> None:
    """Hold the passphrase of an account against the one typed at signing: C010 where it is another, C011 after five.

    ``held`` is what was found before the lock was had; it counts while the account's hash is still the same. What is
    refused is noted by the dispatch.
    """
    row = trial.first(AccountRow, account=account)
    kept = trial.values(CredentialRow, ("encoded",), account=account)
    if row is None or not kept:
        raise _refused()
    if row.refusals >= TRIES and now.utc < datetime.fromisoformat(row.refused_at) + WAIT:
        raise _waits(account, row.refusals)
    encoded = kept[0][0]
    is_known = held is not None and (held.account, held.encoded) == (account, encoded)
    right = held.is_right if held is not None and is_known else is_right(passphrase, encoded)
    if credential_digest(encoded) != row.credential or not right:
        raise ConductError(
            Problem(
                "C010",
                "passphrase",
                "This is not the account's passphrase: nothing was signed.",
                "the passphrase of the person who signs",
            )
        )


def wrong_passphrase(trial: Trial, account: str, now: Moment) -> dict[str, list[dict[str, object]]]:
    """The row that counts a wrong passphrase."""
    row = trial.first(AccountRow, account=account)
    if row is None:
        return {}
    return {"account": [{"account": account, "refusals": row.refusals + 1, "refused_at": now.text}]}


def _waits(account: str, refusals: int) -> ConductError:
    return ConductError(
        Problem(
            "C011",
            account,
            f"{refusals} wrong passphrases in a row.",
            "a pause of a quarter of an hour",
            "Wait, or ask an administrator to reset the passphrase.",
        )
    )


def _refused() -> ConductError:
    return ConductError(
        Problem(
            "C010",
            "--as",
            "This account and passphrase do not open the trial.",
            "an account in use",
            "Check both; an administrator can reset the passphrase.",
        )
    )


def _note(
    trial: Trial,
    sources: tuple[Clock, Entropy],
    action: str,
    account: str,
    device: str,
    what: Callable[[], Mapping[str, Any]],
    anew: str = "",
) -> None:
    """An event of signing in; what it says is worked out under the write lock.

    ``anew`` is the passphrase hashed anew, kept where the event says so.
    """
    clock, entropy = sources
    with writing(trial) as writer:
        said = what()
        entry = writer.append(
            action=action,
            now=Moment.of(clock, ""),
            request=code(entropy, 6),
            step=0,
            account=account,
            role="",
            site="",
            device=device,
            participant="",
            subject=f"account {account}",
            why="",
            what=said,
            protocol_hash="",
            program_version=program_version(),
            entropy=entropy,
        )
        if anew and "credential" in said.get("put", {}).get("account", [{}])[0]:
            writer.set_credential(account, anew, entry.number)
