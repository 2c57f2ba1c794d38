"""Sees at once that somebody inserted a submission; what is missed here is found by polling."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

from sqlalchemy import make_url

from mailsvc.telemetry import facts, log

__all__ = ["listen_to_postgresql", "watch_sqlite"]

CHANNEL = "mailsvc"
LOOK_SECONDS = 0.05  # between looks at SQLite's version, which take some microseconds
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between connections that fail
QUIET_SECONDS = 30.0  # then the connection is tried

_CONNECT: dict[str, Any] = {
    "fallback_application_name": "mailsvc",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
}


async def watch_sqlite(path: str, changed: Callable[[], None], stop: asyncio.Event) -> None:
    """Call ``changed`` when any program has committed to the file.

    Another connection's commit changes ``PRAGMA data_version``; a look reads the head of the shared index of the log.
    """
    with contextlib.closing(sqlite3.connect(f"{path}", isolation_level=None, timeout=0)) as connection:
        version: Any = None
        while not stop.is_set():
            with contextlib.suppress(sqlite3.Error):  # somebody recovers or replaces the log: polling goes on
                seen = connection.execute("PRAGMA data_version").fetchone()
                if seen != version:
                    version = seen
                    changed()
            await _rest(LOOK_SECONDS, stop)


async def listen_to_postgresql(url: str, changed: Callable[[], None], stop: asyncio.Event) -> None:
    """Call ``changed`` at each notification of the table's trigger; connects again when the connection is lost."""
    wait = FIRST_WAIT
    while not stop.is_set():
        try:
            wait = FIRST_WAIT if await _listen(url, changed, stop) else LONGEST_WAIT
        except Exception as error:  # noqa: BLE001 - polling goes on meanwhile
            log.warning("can't listen to the database; polling instead", extra=facts(error=_said(error)))
        await _rest(wait, stop)
        wait = min(2 * wait, LONGEST_WAIT)


async def _listen(url: str, changed: Callable[[], None], stop: asyncio.Event) -> bool:
    """Listen until the connection ends or ``stop`` is set. Returns False behind a pooler, where nobody can listen."""
    from psycopg import AsyncConnection  # noqa: PLC0415 - only with PostgreSQL

    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=None, **_CONNECT)
    async with connection:
        found = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        if found is None or found[0] != connection.info.backend_pid:
            log.info("the database is behind a pooler: set MAILSVC_LISTEN_URL to be told of submissions at once")
            return False
        await connection.execute(f"LISTEN {CHANNEL}")
        changed()  # what came before is no notification
        listening = asyncio.create_task(_notifications(connection, changed))
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (listening, stopping):
            task.cancel()
        await asyncio.gather(listening, stopping, return_exceptions=True)
        if listening in done:
            listening.result()
    return True


async def _notifications(connection: Any, changed: Callable[[], None]) -> None:
    while True:
        async for _ in connection.notifies(timeout=QUIET_SECONDS):
            changed()
        await connection.execute("SELECT 1")


async def _rest(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _said(error: Exception) -> str:
    """The error's first line; no driver puts the password there."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
