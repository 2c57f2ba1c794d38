"""The transactions in progress, which a fork waits for: SQLite must have nothing open then (see ``forking``)."""

import os
import threading
from collections.abc import Callable
from types import TracebackType

from mailsvc import forking
from mailsvc.errors import Unavailable
from mailsvc.telemetry import facts, log

__all__ = ["InProgress"]

PATIENCE = 5.0  # seconds that a fork waits
_unusable: dict[str, int] = {}  # by path: the process whose children can't use that database


class InProgress:
    """Wraps the transactions of one database.

    Args:
        path: of the database.
        close: closes the idle connections; called before a fork, when no transaction is in progress.

    Raises:
        Unavailable: this process was forked in the middle of a transaction, and can't use that database.
    """

    def __init__(self, path: str, close: Callable[[], None]) -> None:
        if _unusable.get(path, os.getpid()) != os.getpid():
            raise Unavailable(f"this process was forked in the middle of a transaction of {path}: start it anew")
        self._path, self._close = path, close
        self._changed = threading.Condition()
        self._count = 0
        self._is_resting = False
        self._mine = threading.local()
        forking.rest_while_forking(self)

    def __enter__(self) -> None:
        depth = getattr(self._mine, "depth", 0)
        with self._changed:
            self._changed.wait_for(lambda: depth or not self._is_resting)  # an inner one must not wait for the outer
            self._count += 1
        self._mine.depth = depth + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mine.depth -= 1
        with self._changed:
            self._count -= 1
            if self._is_resting:
                self._changed.notify_all()

    def rest(self) -> None:
        """Let what is in progress end, and nothing begin until ``go_on``, which the same thread must call."""
        self._changed.acquire()  # held during the fork: the child's copy must not be another thread's
        self._is_resting = True
        if not self._changed.wait_for(lambda: not self._count, PATIENCE):
            log.warning("a process is forked while a transaction is in progress", extra=facts(database=self._path))
            _unusable[self._path] = os.getpid()
            return
        self._close()

    def go_on(self) -> None:
        """Transactions may begin."""
        self._is_resting = False
        self._changed.notify_all()
        self._changed.release()
