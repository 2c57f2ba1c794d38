"""Whether PostgreSQL lives. Where it stands still, nothing tells that a connection is lost.

It may be stopped, or frozen with its host, or behind a link that swallows everything. So whoever waits for it looks now and
then whether it lives, and gives the connection up if not.
"""

import threading
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.errors import ConnectionTimeout

from mailsvc import clock

__all__ = ["Liveness", "WatchedConnection"]

SILENCE = 3.0  # seconds without a reply, until somebody looks whether the server lives
PROOF = 2  # seconds in which it must then answer a new connection
REMEMBERED = 1.0  # seconds that it is taken for dead without another look


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
        """Whether that was found out just now, by whomever."""
        return clock.monotonic() < self._dead_until

    def mark_dead(self) -> None:
        """It was found out."""
        self._dead_until = clock.monotonic() + REMEMBERED

    def beats(self, parameters: dict[str, Any]) -> bool:
        """Whether it answers a query on a new connection; of many who ask at the same time, one looks."""
        asked_at = clock.monotonic()
        with self._lock:
            if self._looked_at < asked_at:
                lives = _answers(parameters)
                self._looked_at = clock.monotonic()
                if not lives:
                    self.mark_dead()
            return not self.is_dead()


def _answers(parameters: dict[str, Any]) -> bool:
    """Any answer is a sign of life, also a refusal."""
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
    """A connection whose every reply must come at once."""

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """As psycopg's, bounded."""
        return super().wait(_timed(gen, self._judge, PROOF), *arguments, **options)

    def _judge(self, _waited: float) -> None:
        self.pgconn.finish()
        raise _Silent("the database server does not reply")


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that is closed when its server stands still: what waits for it fails then, as for any lost connection."""

    liveness: Liveness
    parameters: dict[str, Any]
    is_pooled = False  # by PgBouncer: a new connection may wait there for its turn, which proves nothing

    @classmethod
    def open(cls, liveness: Liveness, *arguments: Any, **parameters: Any) -> "WatchedConnection":
        """Connect. A server that takes no connection stands still, too."""
        try:
            connection = cls.connect(*arguments, **parameters)
        except ConnectionTimeout:
            liveness.mark_dead()
            raise
        connection.liveness, connection.parameters = liveness, parameters
        return connection

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """As psycopg's, with a look at the server after each while of silence."""
        return super().wait(_timed(gen, self._judge, SILENCE), *arguments, **options)

    def _judge(self, waited: float) -> None:
        if (self.is_pooled or self.liveness.beats(self.parameters)) and waited < self.liveness.patience:
            return
        self.pgconn.finish()
        raise _Silent(f"the database server has not replied for {waited:.0f} s")


def _timed(gen: Generator[Any, Any, Any], judge: Any, seconds: float) -> Generator[Any, Any, Any]:
    """The same generator of psycopg's, that asks the judge after so many seconds without anything to read or write."""
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
