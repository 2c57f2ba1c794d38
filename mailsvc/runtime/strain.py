"""Whether this process is short of processor time: then what can wait should."""

import time

from mailsvc import clock

__all__ = ["Strain"]

WINDOW = 0.25  # seconds
BUSY = 0.6  # of one processor; an event loop with threads beside it hardly gets more out of it


class Strain:
    """The share of one processor that the process used lately."""

    def __init__(self) -> None:
        self._measured_at, self._used = clock.monotonic(), time.process_time()
        self._is_high = False

    def is_high(self) -> bool:
        """Cheap enough to be asked before every small piece of work."""
        now = clock.monotonic()
        if now - self._measured_at >= WINDOW:
            used = time.process_time()
            self._is_high = used - self._used > BUSY * (now - self._measured_at)
            self._measured_at, self._used = now, used
        return self._is_high
