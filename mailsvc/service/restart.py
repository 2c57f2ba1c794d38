"""When a process that died, or could not be started, is started again."""

from mailsvc import clock
from mailsvc.telemetry import facts, log

__all__ = ["RestartBackoff"]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 8.0  # seconds
LONG_LIFE = 60.0  # seconds after which a process counts as healthy


class RestartBackoff:
    """The pauses before a process that died, or couldn't start, is started again.

    They grow until a process has run for a minute.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pause = 0.0
        self._born_at = clock.monotonic()

    def begin(self) -> None:
        """Note that a process starts."""
        self._born_at = clock.monotonic()

    def after(self, exit_code: int) -> float:
        """Note that it has ended. Returns the seconds to wait."""
        return self._lengthen("ended", exit_code=exit_code)

    def without(self, error: Exception) -> float:
        """Note that it could not be started. Returns the seconds to wait."""
        return self._lengthen("could not be started", error=str(error))

    def _lengthen(self, what: str, **said: object) -> float:
        lived_long = clock.monotonic() - self._born_at > LONG_LIFE
        self._pause = FIRST_PAUSE if lived_long else min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pause))
        log.error(f"the {self._name} {what}; restarting it", extra=facts(**said, seconds=self._pause))
        return self._pause
