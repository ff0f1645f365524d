"""Who is signed in: kept in the server's memory alone, found by a token that is in a cookie and nowhere else.

A session ends after a quarter of an hour without a request, after ten hours in any case, at sign-out, and when the
server stops. For a while it is still known whose an ended session was, so that what was typed meanwhile is kept for
its author; it opens nothing.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

IDLE = 15 * 60
ABSOLUTE = 10 * 3600


@dataclass(slots=True)
class SignedIn:
    """One session of one person."""

    account: str
    device: str
    began: float
    seen: float
    ended: bool = False


class Sessions:
    """Every session of a server. ``tick`` tells seconds, and never goes back."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick = tick
        self._lock = Lock()
        self._known: dict[str, SignedIn] = {}

    def begin(self, account: str, device: str) -> str:
        """A new session; its token, which is kept nowhere here."""
        token, now = secrets.token_urlsafe(32), self._tick()
        with self._lock:
            self._known = {key: one for key, one in self._known.items() if now - one.began < ABSOLUTE}
            self._known[_key(token)] = SignedIn(account, device, now, now)
        return token

    def find(self, token: str) -> SignedIn | None:
        """The session of a token, which this keeps from idling; ``None`` where there is none or it has ended."""
        now = self._tick()
        with self._lock:
            one = self._known.get(_key(token))
            if one is None or one.ended:
                return None
            if now - one.seen >= IDLE or now - one.began >= ABSOLUTE:
                one.ended = True
                return None
            one.seen = now
            return one

    def whose(self, token: str) -> str:
        """Whose an ended session was, while that is still known; empty otherwise."""
        with self._lock:
            one = self._known.get(_key(token))
            return one.account if one is not None and self._tick() - one.began < ABSOLUTE else ""

    def end(self, token: str) -> None:
        """End a session for good, and forget whose it was."""
        with self._lock:
            self._known.pop(_key(token), None)

    def end_of(self, account: str) -> None:
        """End every session of an account: its pass-phrase was changed, or it is out of use."""
        with self._lock:
            self._known = {key: one for key, one in self._known.items() if one.account != account}


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
