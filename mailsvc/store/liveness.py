"""Detects a PostgreSQL server that hangs: without this, a lost connection to it would go unnoticed.

It may be stopped, or frozen with its host, or behind a link that swallows everything. So whoever waits for it looks now and
then whether it lives, and gives the connection up if not.
"""

import threading
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.errors import ConnectionTimeout

from mailsvc import clock
from mailsvc.forking import cut_in_child

__all__ = ["Liveness", "WatchedConnection"]

SILENCE = 3.0  # seconds without a reply, before a check whether the server responds
PROOF = 2  # seconds for the server to answer a new connection
REMEMBERED = 1.0  # seconds for which the server counts as dead without another check


class Liveness:
    """Whether a server lives.

    Args:
        patience: seconds that one reply of a living server is waited for.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._lock = threading.Lock()
        self._looked_at = self._dead_until = -REMEMBERED

    def is_dead(self) -> bool:
        """Whether the server was found dead just now."""
        return clock.monotonic() < self._dead_until

    def mark_dead(self) -> None:
        """Remember that the server was found dead."""
        self._dead_until = clock.monotonic() + REMEMBERED

    def beats(self, parameters: dict[str, Any]) -> bool:
        """Whether the server answers a query on a new connection; of concurrent callers, one tries."""
        asked_at = clock.monotonic()
        with self._lock:
            if self._looked_at < asked_at:
                lives = _answers(parameters)
                self._looked_at = clock.monotonic()
                if not lives:
                    self.mark_dead()
            return not self.is_dead()


def _answers(parameters: dict[str, Any]) -> bool:
    """Whether the server answers; a refusal is an answer, too."""
    try:
        with _Brief.connect(**parameters | {"connect_timeout": PROOF, "autocommit": True}) as connection:
            connection.execute("SELECT 1")
    except (ConnectionTimeout, _Silent):
        return False
    except psycopg.Error:
        return True
    return True


class _Silent(psycopg.OperationalError):
    """The server has not replied in time."""


class _Brief(psycopg.Connection[Any]):
    """A connection that waits only briefly for each reply."""

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """As psycopg's, with a timeout."""
        return super().wait(_timed(gen, self._judge, PROOF), *arguments, **options)

    def _judge(self, _waited: float) -> None:
        self.pgconn.finish()
        raise _Silent("the database server does not reply")


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that is closed when its server hangs; whoever waits for it gets the error of a lost connection."""

    liveness: Liveness
    parameters: dict[str, Any]
    is_pooled = False  # with PgBouncer a new connection may have to wait, which proves nothing

    @classmethod
    def open(cls, liveness: Liveness, *arguments: Any, **parameters: Any) -> "WatchedConnection":
        """Connect. A server that accepts no connection hangs, too."""
        try:
            connection = cls.connect(*arguments, **parameters)
        except ConnectionTimeout:
            liveness.mark_dead()
            raise
        connection.liveness, connection.parameters = liveness, parameters
        cut_in_child(connection)
        return connection

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """As psycopg's, with a check of the server after each period of silence."""
        return super().wait(_timed(gen, self._judge, SILENCE), *arguments, **options)

    def _judge(self, waited: float) -> None:
        if (self.is_pooled or self.liveness.beats(self.parameters)) and waited < self.liveness.patience:
            return
        self.pgconn.finish()
        raise _Silent(f"the database server has not replied for {waited:.0f} s")


def _timed(gen: Generator[Any, Any, Any], judge: Any, seconds: float) -> Generator[Any, Any, Any]:
    """Wrap a generator of psycopg's: call ``judge`` after so many seconds without anything to read or write."""
    try:
        state = next(gen)
        began = clock.monotonic()
        due = began + seconds
        while True:
            ready = yield state
            if not ready and (now := clock.monotonic()) >= due:
                judge(now - began)
                due = clock.monotonic() + seconds
            state = gen.send(ready)
    except StopIteration as end:
        return end.value
