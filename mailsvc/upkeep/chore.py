"""One task of upkeep; its errors do not affect the others."""

from collections.abc import Callable

from mailsvc import clock
from mailsvc.runtime.error_log import log_error
from mailsvc.telemetry import Meter

__all__ = ["Chore"]

LONGEST_PAUSE = 300.0  # seconds


class Chore:
    """A repeated task.

    Args:
        name: of the chore, in the log.
        step: does a part of it; True where there is more to do at once.
        every: seconds between two rounds.
    """

    def __init__(self, name: str, step: Callable[[], bool], *, every: float, meter: Meter) -> None:
        self._name, self._step, self._every, self._meter = name, step, every, meter
        self._pause = 0.0
        self._due_at = float("-inf")

    def turn(self) -> float:
        """Do the task if it is due. Returns the seconds until its next turn."""
        now = clock.monotonic()
        if now >= self._due_at:
            self._due_at = now + self._done()
        return self._due_at - clock.monotonic()

    def _done(self) -> float:
        try:
            has_more = self._step()
        except Exception as error:  # noqa: BLE001 - the other chores continue, and this one is retried
            log_error(error, chore=self._name)
            self._meter.count("chore_failures")
            self._pause = min(LONGEST_PAUSE, 2 * (self._pause or self._every))
            return self._pause
        self._pause = 0.0
        return 0.0 if has_more else self._every
