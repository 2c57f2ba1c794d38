"""Sees at once that somebody inserted a submission; what is missed here is found by polling."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL

from mailsvc.forking import cut_in_child, rest_while_forking
from mailsvc.telemetry import facts, log

__all__ = ["SqliteWatch", "listen_to_postgresql"]

CHANNEL = "mailsvc"
LOOK_SECONDS = 0.04  # between looks at SQLite's version, which take some microseconds
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between connections that fail
QUIET_SECONDS = 30.0  # then the connection is tried

_WAITING = "SELECT 1 FROM mailsvc_submission WHERE errors IS NULL LIMIT 1"
_CONNECT: dict[str, Any] = {
    "fallback_application_name": "mailsvc",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
}


class SqliteWatch:
    """Calls ``changed``, in an event loop, when any program has committed to the file and rows wait.

    Another connection's commit changes ``PRAGMA data_version``; a look reads the head of the shared index of the log. It
    has a thread of its own, because an event loop takes twice as long to wake up twenty times a second.
    """

    def __init__(self, path: str, changed: Callable[[], None]) -> None:
        self._path, self._changed = path, changed
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._looking = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._version: Any = None
        rest_while_forking(self)
        threading.Thread(target=self._watch, name="submissions", daemon=True).start()

    def stop(self) -> None:
        """The thread ends at its next look."""
        self._stopping.set()

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            # An error: somebody recovers or replaces the log. Polling goes on.
            with self._looking, contextlib.suppress(sqlite3.Error):
                self._look()
        with self._looking:
            self._close()

    def _look(self) -> None:
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=0, check_same_thread=False)
        seen = self._connection.execute("PRAGMA data_version").fetchone()
        if seen != self._version and self._connection.execute(_WAITING).fetchone():
            self._tell()
        self._version = seen

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._version = None

    def rest(self) -> None:
        """Have nothing open until ``go_on``."""
        self._looking.acquire()
        self._close()

    def go_on(self) -> None:
        """Look again, with a new connection."""
        self._looking.release()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._changed)


async def listen_to_postgresql(url: URL, changed: Callable[[], None]) -> None:
    """Call ``changed`` at each notification of the table's trigger; connects again when the connection is lost.

    It runs until it is cancelled.
    """
    wait = FIRST_WAIT
    while True:
        try:
            await _listen(url, changed)
            wait = LONGEST_WAIT
        except Exception as error:  # noqa: BLE001 - polling goes on meanwhile
            log.warning("can't listen to the database; polling instead", extra=facts(error=_said(error)))
        await asyncio.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


async def _listen(url: URL, changed: Callable[[], None]) -> None:
    """Listen until the connection is lost. Returns behind a pooler, where nobody can listen."""
    from psycopg import AsyncConnection  # noqa: PLC0415 - only with PostgreSQL

    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=None, **_CONNECT)
    cut_in_child(connection)
    async with connection:
        found = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        if found is None or found[0] != connection.info.backend_pid:
            log.info("the database is behind a pooler: set MAILSVC_LISTEN_URL to be told of submissions at once")
            return
        await connection.execute(f"LISTEN {CHANNEL}")
        changed()  # what came before is no notification
        while True:
            async for _ in connection.notifies(timeout=QUIET_SECONDS):
                changed()
            await connection.execute("SELECT 1")


def _said(error: Exception) -> str:
    """The error's first line; no driver puts the password there."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
