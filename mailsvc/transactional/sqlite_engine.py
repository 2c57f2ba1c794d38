"""SQLAlchemy on SQLite, so that a rollback takes back what it should.

The driver by itself sends no BEGIN before a SAVEPOINT. A savepoint that comes first in a transaction is then committed at
its release, and the rollback of the transaction around it changes nothing. The remedy is SQLAlchemy's: the driver begins
nothing, and a BEGIN is sent where SQLAlchemy begins a transaction.
"""

import weakref
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import QueuePool

__all__ = ["put_in_order", "require_whole_savepoints"]

LEAST_BUSY_MS = 5000  # the service may be writing
_LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL of Python 3.12

_in_order: "weakref.WeakSet[Engine]" = weakref.WeakSet()


def put_in_order(engine: Engine) -> None:
    """Make the engine's new connections send their own BEGIN, wait for writers, and leave checkpoints to the service.

    Raises:
        RuntimeError: it has connections already, or leaves out rollbacks.
    """
    if engine in _in_order:
        return
    if _has_connections(engine.pool):
        raise RuntimeError("the engine has connections already: make the Outbox before the first one")
    if getattr(engine.dialect, "skip_autocommit_rollback", False):
        raise RuntimeError("with skip_autocommit_rollback, SQLAlchemy would leave out rollbacks on SQLite")
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    _in_order.add(engine)


def _has_connections(pool: Any) -> bool:
    if isinstance(pool, QueuePool):
        return pool.checkedin() + pool.checkedout() > 0
    return bool(getattr(pool, "_all_conns", None)) or "connection" in vars(pool)  # one a thread, or a single one


def _connected(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout")
    if cursor.fetchone()[0] < LEAST_BUSY_MS:
        cursor.execute(f"PRAGMA busy_timeout = {LEAST_BUSY_MS}")
    cursor.execute("PRAGMA wal_autocheckpoint = 0")
    cursor.close()


def _begun(connection: Connection) -> None:
    driver = _driver(connection)
    if not _is_legacy(driver) or _is_autocommit(connection):
        return
    if driver.in_transaction:
        return  # the application sends a BEGIN of its own; to set isolation_level now would commit it
    if driver.isolation_level is not None:
        # SQLAlchemy sets it again after AUTOCOMMIT.
        connection.connection.dbapi_connection.isolation_level = None  # type: ignore[union-attr]
    connection.exec_driver_sql("BEGIN")


def _driver(connection: Connection) -> Any:
    """The driver's connection; that of aiosqlite has the one of sqlite3 inside."""
    driver = connection.connection.driver_connection
    return getattr(driver, "_conn", driver)


def _is_legacy(driver: Any) -> bool:
    """Whether the driver begins transactions by the statements that it sees."""
    return getattr(driver, "autocommit", _LEGACY) == _LEGACY


def _is_autocommit(connection: Connection) -> bool:
    given = connection.get_execution_options().get("isolation_level")
    return "AUTOCOMMIT" in (given, given or getattr(connection.dialect, "_on_connect_isolation_level", None))


def require_whole_savepoints(connection: Connection) -> None:
    """Raise RuntimeError inside a savepoint whose release could be a commit."""
    if not connection.in_nested_transaction() or connection.engine in _in_order:
        return
    driver = _driver(connection)
    if _is_legacy(driver) and driver.isolation_level is not None:
        raise RuntimeError(
            "SQLite's driver sends no BEGIN before a savepoint, so that a rollback might not take the mail back: give the "
            "engine to Outbox(engine), or to outbox.use(engine), before its first connection"
        )
