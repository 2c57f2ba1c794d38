"""Wakes requests that poll the events feed, when an event that matches was committed.

One thread reads new events for all of them: a thousand waiting requests need neither a thread nor a query each.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from mailsvc.domain.errors import Unavailable
from mailsvc.domain.events import matches
from mailsvc.store.database import Database
from mailsvc.store.tables import event

__all__ = ["MOST_WAITING", "Feed", "Interest", "newest"]

MOST_WAITING = 1000
LOOK_EVERY = 2.0  # seconds; a bell is only a hint, and reaches only processes on its own host
PAUSE = 0.02  # seconds between two reads, however often the bell rings
MOST_NEWS = 1000  # events that are matched one by one; if there are more, all waiting requests read


@dataclass(slots=True, eq=False)
class Interest:
    """The events that a request waits for; ``news`` is done as soon as there may be some.

    Args:
        seen: the newest position, of any app, at the time when nothing was found.
        types, messages: as in the feed's parameters; empty means all.
    """

    app_id: str
    types: tuple[str, ...]
    messages: tuple[str, ...]
    seen: int
    news: "Future[None]" = field(default_factory=Future)

    def is_met_by(self, row: Any) -> bool:
        """Whether this event matches."""
        return (
            row.app_id == self.app_id
            and row.position > self.seen
            and (not self.types or matches(self.types, row.type))
            and (not self.messages or row.message_id in self.messages)
        )


def newest(connection: Connection) -> int:
    """The last assigned position."""
    return int(connection.execute(select(func.max(event.c.position))).scalar() or 0)


class Feed:
    """Wakes waiting requests when the events topic rings, or after at most two seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = threading.Condition()
        self._waiting: set[Interest] = set()
        self._seen = -1  # all waiting requests were notified up to this position
        self._has_rung = False
        self.is_stopping = False
        self._thread: threading.Thread | None = None

    def heard(self, topics: bytes) -> None:
        """Called when the bell rings."""
        if b"e" in topics:
            with self._changed:
                self._has_rung = True
                self._changed.notify_all()

    def stop(self) -> None:
        """Wake all waiting requests."""
        with self._changed:
            self.is_stopping = True
            told, self._waiting = self._waiting, set()
            self._changed.notify_all()
        _notify(told)

    def expect(self, interest: Interest) -> None:
        """Add a waiting request. Raises Unavailable if there are too many."""
        with self._changed:
            if self.is_stopping or interest.seen < self._seen:  # events may have been committed since it read
                _notify([interest])
                return
            if len(self._waiting) >= MOST_WAITING:
                raise Unavailable(f"{MOST_WAITING} requests wait for events already", retry_after=5)
            self._waiting.add(interest)
            self._start()
            self._changed.notify_all()

    def leave(self, interest: Interest) -> None:
        """Remove a waiting request."""
        with self._changed:
            self._waiting.discard(interest)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._await_ring():
            try:
                position, is_met = self._look()
            except Exception:  # noqa: BLE001, S112 - the database can't be reached; the requests report that themselves
                continue
            with self._changed:
                self._seen = position
                told = [i for i in self._waiting if i.seen < position and is_met(i)]
                self._waiting.difference_update(told)
            _notify(told)

    def _await_ring(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self.is_stopping, PAUSE)
            self._changed.wait_for(lambda: self._waiting or self.is_stopping)
            self._changed.wait_for(lambda: self._has_rung or self.is_stopping, LOOK_EVERY)
            self._has_rung = False
            return not self.is_stopping

    def _look(self) -> tuple[int, Callable[[Interest], bool]]:
        """Return the newest position, and a function that says which interests have matching events up to there."""
        new = select(event.c.position, event.c.app_id, event.c.type, event.c.message_id)
        with self._database.read() as connection:
            if self._seen < 0:
                return newest(connection), lambda _: True
            wanted = new.where(event.c.position > self._seen).order_by(event.c.position).limit(MOST_NEWS)
            rows: Sequence[Any] = connection.execute(wanted).all()
            if len(rows) == MOST_NEWS:
                return newest(connection), lambda _: True
        position = rows[-1].position if rows else self._seen
        return position, lambda interest: any(map(interest.is_met_by, rows))


def _notify(interests: "Sequence[Interest] | set[Interest]") -> None:
    for interest in interests:
        with suppress(InvalidStateError):  # the request was notified already, or has ended
            interest.news.set_result(None)
