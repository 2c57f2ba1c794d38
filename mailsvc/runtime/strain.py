"""Whether this process is short of processor time: then what can wait should."""

import time
from pathlib import Path

from mailsvc import clock

__all__ = ["Strain"]

WINDOW = 0.25  # seconds
BUSY = 0.6  # of one processor; an event loop with threads beside it hardly gets more out of it
_SCHEDULING = Path("/proc/self/schedstat")  # of the first thread: nanoseconds on a processor, and waiting for one


class Strain:
    """The share of one processor that the process used lately, or would have used if others had left it to it."""

    def __init__(self) -> None:
        self._measured_at, self._wanted = clock.monotonic(), _wanted()
        self._is_high = False

    def is_high(self) -> bool:
        """Cheap enough to be asked before every small piece of work."""
        now = clock.monotonic()
        if now - self._measured_at >= WINDOW:
            wanted = _wanted()
            self._is_high = wanted - self._wanted > BUSY * (now - self._measured_at)
            self._measured_at, self._wanted = now, wanted
        return self._is_high


def _wanted() -> float:
    try:
        waited = int(_SCHEDULING.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        waited = 0.0  # a kernel without these figures
    return time.process_time() + waited
