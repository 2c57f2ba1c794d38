"""Checks whether messages can be accepted, in a separate thread: the response comes in time even if a check hangs."""

import asyncio

from sqlalchemy.exc import OperationalError

from mailsvc.outbox.admission import lack_of_room
from mailsvc.runtime.threads import DaemonThreads
from mailsvc.settings import Settings
from mailsvc.store import migrate
from mailsvc.store.database import Database, is_locked
from mailsvc.telemetry import log

__all__ = ["Readiness"]

PATIENCE = 5.0  # seconds


class Readiness:
    """Checks the database, its tables and the disk.

    Args:
        database: best a separate one, so that the check does not wait for a connection.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._thread = DaemonThreads(1, "readiness")
        self._looking: asyncio.Future[dict[str, str]] | None = None

    async def ask(self) -> dict[str, str]:
        """As ``look``, in an event loop, with a time limit. Concurrent callers share one check."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().run_in_executor(self._thread, self.look)
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(self._looking)
        except TimeoutError:
            return self._checks(f"has not answered for {PATIENCE:g} seconds")

    def look(self) -> dict[str, str]:
        """Return each check with ``ok``, or what is wrong."""
        try:
            version = migrate.current(self._database)
            return self._checks(self._lock() or "ok", migrate.lack(version) or "ok")
        except Exception:  # noqa: BLE001 - after any error the service is not ready
            log.warning("not ready", exc_info=True)
            return self._checks("can't be reached")

    def _lock(self) -> str | None:
        """What keeps SQLite from writing; None where nothing does."""
        if self._database.dialect == "sqlite":
            try:
                with self._database.write():
                    pass
            except OperationalError as error:
                if is_locked(error):
                    return f"locked by another process for {self._database.locked_seconds:.0f} s"
                raise
        return None

    def _checks(self, database: str, migrations: str = "unknown") -> dict[str, str]:
        return {"database": database, "migrations": migrations, "disk": lack_of_room(self._settings) or "ok"}
