"""Wrong passphrases by address: who tries many accounts from one place waits, whichever accounts they are.

The account's own limit, five in a row, is the ledger's; this one is above it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock

TRIES = 30
WITHIN = 15 * 60
_MOST = 10_000  # addresses remembered


class Throttle:
    """Failures of the last quarter of an hour, by address."""

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick = tick
        self._lock = Lock()
        self._failed: dict[str, deque[float]] = {}

    def waits(self, address: str) -> bool:
        """Whether an address has failed too often to be listened to."""
        with self._lock:
            return len(self._recent(address)) >= TRIES

    def failed(self, address: str) -> None:
        """Count a failure."""
        with self._lock:
            if address not in self._failed and len(self._failed) >= _MOST:
                self._failed.pop(next(iter(self._failed)))
            self._failed.setdefault(address, deque()).append(self._tick())

    def _recent(self, address: str) -> deque[float]:
        times = self._failed.get(address, deque())
        while times and self._tick() - times[0] > WITHIN:
            times.popleft()
        if not times:
            self._failed.pop(address, None)
        return times
