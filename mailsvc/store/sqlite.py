"""The engines of an embedded database: WAL, durable commits, and transactions that begin as they are told."""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from mailsvc.store.bulk import Statement, carry_out
from mailsvc.store.privacy import keep_private

__all__ = ["make_engine"]

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA cache_size = -8000",
    "PRAGMA temp_store = MEMORY",
)


def make_engine(url: str, begin: str, *, pool_size: int, busy: int) -> Engine:
    """Return an engine for one kind of transaction.

    Args:
        begin: the statement that begins one.
        pool_size: connections kept open.
        busy: how many milliseconds a connection waits for another's lock.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        connect_args={"check_same_thread": False, "cached_statements": 512},
        hide_parameters=True,
    )

    @event.listens_for(engine, "do_connect")
    def _(*_: Any) -> None:
        keep_private(engine.url.database or "")

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in (f"PRAGMA busy_timeout = {busy}", *_PRAGMAS):
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        carry_out(connection, [Statement(begin)])

    return engine
