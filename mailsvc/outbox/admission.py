"""Whether another message can be taken in now: room on the disk, room in the queue, rate of a key."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from mailsvc import clock
from mailsvc.domain.errors import RateLimited, Unavailable
from mailsvc.outbox.queue_limit import queue_full, waiting
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.nonblocking import WouldBlock

__all__ = ["Admission", "lack_of_room"]

LOOK_EVERY = 1.0  # seconds
LEAST_DISK = 256 * 1024  # bytes: with less, a database can hardly commit


class Admission:
    """Says whether messages can be taken in."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self.limits = settings.limits
        self._database = database
        self._looked_at = -LOOK_EVERY
        self._refusal: str | None = None
        self._lock = threading.Lock()
        self._rates: dict[str, float] = {}

    def check(self, key_id: str) -> None:
        """Raises Unavailable or RateLimited, with the seconds after which it is worth another try."""
        self.spend(key_id, 0)
        now, before = clock.monotonic(), self._looked_at
        if now - before > LOOK_EVERY:
            self._looked_at = now
            try:
                self._refusal = self._look()
            except WouldBlock:
                self._looked_at = before
                raise
        if self._refusal:
            raise Unavailable(self._refusal, retry_after=10)

    def spend(self, key_id: str, messages: int) -> None:
        """Count messages that are taken; raises RateLimited where those before were too many already."""
        rate = self._settings.rate_per_key
        if rate is None:
            return
        now = clock.monotonic()
        with self._lock:
            free_at = max(self._rates.get(key_id, 0.0), now - 1)  # the quota of one second may be used at once
            if free_at > now:
                raise RateLimited(
                    "this key exceeds the rate limit (MAILSVC_RATE_PER_KEY)",
                    retry_after=max(1, round(free_at - now)),
                )
            self._rates[key_id] = free_at + messages / rate

    def _look(self) -> str | None:
        settings = self._settings
        if lack := lack_of_room(settings):
            return f"{lack}; nothing was stored"
        if settings.max_queue is not None:
            with self._database.read() as connection:
                if waiting(connection) >= settings.max_queue:  # ``within_room`` counts exactly
                    return queue_full().detail
        return None


def lack_of_room(settings: Settings) -> str | None:
    """What is wrong with the disk of the data directory, or of an embedded database elsewhere; None where nothing is."""
    least = max(settings.min_free_disk_bytes, LEAST_DISK)
    for place, shown in _places(settings):
        try:
            disk = os.statvfs(place)
        except OSError as error:
            return f"{shown} can't be used: {error.strerror}"
        if disk.f_bavail * disk.f_frsize < least:
            return f"the disk of {shown} is nearly full (MAILSVC_MIN_FREE_DISK_BYTES)"
    return None


def _places(settings: Settings) -> Iterator[tuple[Path, str]]:
    yield settings.data_dir, "the data directory"
    path = make_url(settings.database).database
    if settings.database.startswith("sqlite") and path and Path(path).parent.resolve() != settings.data_dir.resolve():
        yield Path(path).parent, "the database"
