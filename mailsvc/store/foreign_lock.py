"""Whether another program holds the write lock of SQLite's file: mailsvc's own writers wait for each other elsewhere."""

import threading
from functools import cache

from mailsvc import clock
from mailsvc.telemetry import facts, log

__all__ = ["ForeignLock", "foreign_lock_of"]

WORTH_TELLING = 2.0  # seconds
AGAIN_SECONDS = 10.0


class ForeignLock:
    """What this process's writers have seen of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._tell_at = 0.0

    def note(self) -> None:
        """A writer found the file locked."""
        now = clock.monotonic()
        with self._lock:
            if self._since is None:
                self._since, self._tell_at = now, now + WORTH_TELLING
            if now < self._tell_at:
                return
            self._tell_at = now + AGAIN_SECONDS
        log.warning("database locked by another process", extra=facts(seconds=round(self.seconds)))

    def end(self) -> None:
        """A writer got in."""
        if self._since is None:
            return
        with self._lock:
            seconds, self._since = self.seconds, None
        if seconds > WORTH_TELLING:
            log.warning("the database is no longer locked", extra=facts(seconds=round(seconds)))

    @property
    def seconds(self) -> float:
        """Since when the file has been found locked; 0 where it is not."""
        since = self._since
        return 0.0 if since is None else clock.monotonic() - since


@cache
def foreign_lock_of(path: str) -> ForeignLock:
    """The one for this file."""
    del path
    return ForeignLock()
