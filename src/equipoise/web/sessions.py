"""Who is signed in: kept in the server's memory alone, found by a token that is in a cookie and nowhere else.

A session ends after a quarter of an hour without a request, after ten hours in any case, at sign-out, and when the
server stops. For a while it is still known whose an ended session was, so that what was typed meanwhile is kept for
its author; it opens nothing.

Two things beside that: pages that tell an arm lock three minutes after the last of them was looked at; and one page may
stay open to a session that has ended (the infusion that its nurse watches), for a time that is said beforehand.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from equipoise.web.sealed_drafts import DraftKey

IDLE = 15 * 60
ABSOLUTE = 10 * 3600
LOCK = 3 * 60  # after which pages that tell an arm ask for the passphrase


@dataclass(slots=True)
class SignedIn:
    """One session of one person.

    ``looked`` is when a page that tells an arm was last looked at; ``stays`` are the pages that stay open to it, each
    until when; ``key`` seals what travels with its pages, ``drafts`` drafts of quarantined forms.
    """

    account: str
    device: str
    began: float
    seen: float
    looked: float = 0.0
    ended: bool = False
    stays: dict[str, float] = field(default_factory=dict)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    drafts: DraftKey | None = None
    typed: dict[str, list[tuple[str, str]]] = field(default_factory=dict, repr=False)  # into pages that had locked
    needs_code: bool = False  # a role of the account signs in with a one-time code, and none is set up

    def stop(self) -> None:
        """End by itself: it opens nothing any more, and still seals what was being typed."""
        self.ended = True
        if self.drafts is not None:
            self.drafts = self.drafts.without_secret()


class Sessions:
    """Every session of a server. ``tick`` tells seconds, and never goes back."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick = tick
        self._lock = Lock()
        self._known: dict[str, SignedIn] = {}
        self._over: list[tuple[SignedIn, str]] = []

    def begin(self, account: str, device: str, drafts: DraftKey | None = None) -> str:
        """A new session; its token, which is kept nowhere here."""
        token, now = secrets.token_urlsafe(32), self._tick()
        with self._lock:
            self._sweep(now)
            self._known = {key: one for key, one in self._known.items() if self._is_kept(one, now)}
            self._known[_key(token)] = SignedIn(account, device, now, now, looked=now, drafts=drafts)
        return token

    def find(self, token: str, place: str = "") -> SignedIn | None:
        """The session of a token, which this keeps from idling; ``None`` where there is none or it has ended.

        At a ``place`` that stays open to it, it is found though it has ended, and stays ended for all others.
        """
        now = self._tick()
        with self._lock:
            self._sweep(now)
            one = self._known.get(_key(token))
            if one is None:
                return None
            if one.ended:
                return one if place and one.stays.get(place, 0.0) > now else None
            one.seen = now
            return one

    def _sweep(self, now: float) -> None:
        """End every session whose time is over, whether anybody asks for it or not."""
        for one in self._known.values():
            if not one.ended and (now - one.seen >= IDLE or now - one.began >= ABSOLUTE):
                one.stop()
                self._over.append((one, "ten hours" if now - one.began >= ABSOLUTE else "idle"))

    def take_over(self) -> list[tuple[SignedIn, str]]:
        """Sessions that ended by themselves since this was last asked, each with why; nobody else is told of them."""
        with self._lock:
            over, self._over = self._over, []
            return over

    def stay(self, one: SignedIn, place: str, seconds: float) -> None:
        """Let a page stay open to a session for so many seconds from now, whether it idles or not; 0 ends it."""
        with self._lock:
            if seconds > 0:
                one.stays[place] = max(one.stays.get(place, 0.0), self._tick() + seconds)
            else:
                one.stays.pop(place, None)

    def is_locked(self, one: SignedIn) -> bool:
        """Whether nobody has looked at a page that tells an arm for three minutes; otherwise this counts as a look."""
        now = self._tick()
        with self._lock:
            if now - one.looked >= LOCK:
                return True
            one.looked = now
            return False

    def unlock(self, one: SignedIn) -> None:
        """Open the pages that tell an arm again, after the passphrase."""
        with self._lock:
            one.looked = self._tick()

    def _is_kept(self, one: SignedIn, now: float) -> bool:
        return now - one.began < ABSOLUTE or any(until > now for until in one.stays.values())

    def left(self, token: str) -> SignedIn | None:
        """The session that has ended, while it is still known whose it was."""
        with self._lock:
            one = self._known.get(_key(token))
            return one if one is not None and self._tick() - one.began < ABSOLUTE else None

    def end(self, token: str) -> None:
        """End a session for good, and forget whose it was."""
        with self._lock:
            self._known.pop(_key(token), None)

    def end_of(self, account: str) -> None:
        """End every session of an account: its passphrase was changed, or it is out of use."""
        with self._lock:
            self._known = {key: one for key, one in self._known.items() if one.account != account}


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
