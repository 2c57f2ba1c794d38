"""Whether another message can be taken in now: room on the disk, room in the queue, rate of a key, memory for large bodies."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select

from mailsvc import clock
from mailsvc.domain.errors import Conflict, RateLimited, Unavailable
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.tables import delivery

__all__ = ["Admission"]

LARGE_REQUEST = 1024 * 1024
LARGE_AT_ONCE = 2
LOOK_EVERY = 1.0  # seconds
LARGE_PATIENCE = 10.0  # seconds that a large request waits for its turn
TURN_SECONDS = 2.0  # how long a second use of an idempotency key waits for the first


class Admission:
    """The doorkeeper of POST /v1/messages."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._looked_at = -LOOK_EVERY
        self._refusal: str | None = None
        self._lock = threading.Lock()
        self._large = threading.BoundedSemaphore(LARGE_AT_ONCE)
        self._rates: dict[str, float] = {}
        self._in_flight: dict[tuple[str, str], threading.Event] = {}

    def check(self, key_id: str, messages: int = 1) -> None:
        """Raises Unavailable or RateLimited, with the seconds after which it is worth another try."""
        self._check_rate(key_id, messages)
        now = clock.monotonic()
        if now - self._looked_at > LOOK_EVERY:
            self._looked_at = now
            self._refusal = self._look()
        if self._refusal:
            raise Unavailable(self._refusal, retry_after=10)

    def _look(self) -> str | None:
        settings = self._settings
        disk = os.statvfs(settings.data_dir)
        if disk.f_bavail * disk.f_frsize < settings.min_free_disk_bytes:
            return "the disk is nearly full (MAILSVC_MIN_FREE_DISK_BYTES); nothing was stored"
        if settings.max_queue is not None:
            with self._database.read() as connection:
                waiting = connection.execute(
                    select(func.count()).select_from(delivery).where(delivery.c.due_at.is_not(None))
                ).scalar_one()
            if waiting >= settings.max_queue:
                return "the queue is full (MAILSVC_MAX_QUEUE); nothing was stored"
        return None

    def _check_rate(self, key_id: str, messages: int) -> None:
        rate = self._settings.rate_per_key
        if rate is None:
            return
        now = clock.monotonic()
        with self._lock:
            free_at = max(self._rates.get(key_id, 0.0), now - 1)  # a second's worth may come at once
            if free_at > now:
                raise RateLimited(
                    "more messages than MAILSVC_RATE_PER_KEY allows",
                    retry_after=max(1, round(free_at - now)),
                )
            self._rates[key_id] = free_at + messages / rate

    @contextmanager
    def room_for(self, content_length: int | None) -> Iterator[None]:
        """Only a few large requests are read and built at the same time, so that memory stays flat."""
        if content_length is not None and content_length <= LARGE_REQUEST:
            yield
            return
        if not self._large.acquire(timeout=LARGE_PATIENCE):
            raise Unavailable("too many large requests at once; nothing was stored", retry_after=2)
        try:
            yield
        finally:
            self._large.release()

    @contextmanager
    def turn(self, app_id: str, key: str | None) -> Iterator[None]:
        """One request at a time for each idempotency key; raises Conflict when the first takes too long."""
        if key is None:
            yield
            return
        while True:
            with self._lock:
                first = self._in_flight.get((app_id, key))
                if first is None:
                    mine = self._in_flight[app_id, key] = threading.Event()
                    break
            if not first.wait(TURN_SECONDS):
                raise Conflict(
                    "a request with this Idempotency-Key is still being handled",
                    code="idempotency_in_flight",
                    retry_after=1,
                )
        try:
            yield
        finally:
            with self._lock:
                del self._in_flight[app_id, key]
            mine.set()
