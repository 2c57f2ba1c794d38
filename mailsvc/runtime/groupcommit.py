"""Group commit: one thread makes the items of many callers durable, all that wait in one transaction."""

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, takewhile
from typing import Generic, TypeVar

from mailsvc import clock

__all__ = ["GroupCommit", "Stopped"]

T = TypeVar("T")


class Stopped(Exception):
    """The queue has been stopped."""


class GroupCommit(Generic[T]):
    """A queue, and the thread that commits its items in groups.

    Args:
        name: of the thread.
        commit: called in the thread with each group. It makes the group durable and must not raise.
        length_of_group: how many of the waiting items form the next group, at least one.
        linger: seconds; groups that follow one another keep this distance, so that items gather in between.
        enough: this many items form a group that does not linger.
    """

    def __init__(
        self,
        name: str,
        commit: Callable[[list[T]], None],
        *,
        length_of_group: Callable[[Sequence[T]], int],
        linger: float = 0.0,
        enough: int = 1,
    ) -> None:
        self._commit, self._length_of_group = commit, length_of_group
        self._linger, self._enough = linger, enough
        self._linger_until = 0.0
        self._waiting: list[T] = []
        self._committing: list[T] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Have it committed.

        Raises:
            Stopped: ``stop`` was called before.
        """
        with self._changed:
            if self._stopping:
                raise Stopped
            self._waiting.append(item)
            # A lingering thread is not woken for every item: waking it costs as much as committing several.
            if len(self._waiting) in (1, self._enough):
                self._changed.notify()

    def ahead_of(self, item: T) -> list[T]:
        """The items that will be committed before this one; none unless it still waits."""
        with self._changed:
            if not _holds(self._waiting, item):
                return []
            return [*chain(self._committing, takewhile(lambda other: other is not item, self._waiting))]

    @property
    def unfinished(self) -> int:
        """How many items wait or are being committed."""
        return len(self._waiting) + len(self._committing)

    def withdraw(self, item: T) -> bool:
        """Remove the item from the queue. Returns False if its commit has begun."""
        with self._changed:
            count = len(self._waiting)
            self._waiting = [other for other in self._waiting if other is not item]
            return len(self._waiting) < count

    def withdraw_all(self) -> list[T]:
        """Remove all waiting items."""
        with self._changed:
            waiting, self._waiting = self._waiting, []
            return waiting

    def pause(self, seconds: float) -> None:
        """For ``commit``: wait before another try; returns at once after ``stop``."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)

    def stop(self, timeout: float | None = None) -> bool:
        """Commit what waits, for at most ``timeout`` seconds. Returns whether nothing is left."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while group := self._next_group():
            self._commit(group)
            self._linger_until = clock.monotonic() + self._linger

    def _next_group(self) -> list[T]:
        """Wait for the next group; empty at the end."""
        with self._changed:
            self._committing = []
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if self._linger:
                self._changed.wait_for(self._is_enough, self._linger_until - clock.monotonic())
            length = self._length_of_group(self._waiting) if self._waiting else 0
            self._committing, self._waiting = self._waiting[:length], self._waiting[length:]
            return self._committing

    def _is_enough(self) -> bool:
        return self._stopping or len(self._waiting) >= self._enough


def _holds(items: Iterable[T], item: T) -> bool:
    return any(other is item for other in items)
