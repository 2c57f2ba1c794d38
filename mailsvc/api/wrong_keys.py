"""Logs wrong API keys with their address and number, at a limited rate."""

import threading
from collections import Counter

from mailsvc import clock
from mailsvc.telemetry import facts, log

__all__ = ["WrongKeys"]

EVERY = 10.0  # seconds between two lines about one address
LINES = 20  # in that time, for all addresses together


class WrongKeys:
    """Counts wrong keys by address, and logs them at a limited rate."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._since = -EVERY
        self._logged: set[str] = set()

    def count(self, address: str) -> None:
        """Count a wrong key from this address: the first is logged at once, later ones together."""
        with self._lock:
            now = clock.monotonic()
            before: Counter[str] = Counter()
            if now - self._since >= EVERY:
                before, self._counts, self._logged, self._since = self._counts, Counter(), set(), now
            is_first = address not in self._logged and len(self._logged) < LINES
            if is_first:
                self._logged.add(address)
            elif len(self._counts) < LINES or address in self._counts:
                self._counts[address] += 1
        for other, count in before.items():
            log.warning("more wrong API keys", extra=facts(address=other, count=count))
        if is_first:
            log.warning("a wrong API key", extra=facts(address=address))
