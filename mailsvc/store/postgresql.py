"""Connections to PostgreSQL: directly, or through a pooler that gives each transaction another server session.

PgBouncer in transaction mode has no session of the client's own: what is SET stays with whoever comes next, and a statement
prepared in one transaction is unknown in the next. It shows itself by the process id that it makes up for its clients.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from mailsvc.store.bulk import Statement, carry_out

__all__ = ["make_engine"]

# A host that dies or freezes inside a transaction must not keep its locks for longer than this. The server ends it
# where it is idle; in the middle of a pipeline it never counts as that: then the other workers end it, or whoever waits for its locks.
_BOUNDS = "SET {scope} idle_in_transaction_session_timeout = '{seconds}s'; SET {scope} lock_timeout = '{seconds}s'"
_CONNECT = {
    "fallback_application_name": "mailsvc",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
}
_POOLED = "mailsvc.pooled"


def make_engine(url: str, *, pool_size: int, patience: int) -> Engine:
    """An engine whose transactions wait for locks, and stand still, for at most ``patience`` seconds."""
    engine = create_engine(url, pool_size=pool_size, max_overflow=4, pool_timeout=10, connect_args=_CONNECT)

    @event.listens_for(engine, "connect")
    def _(connection: Any, record: Any) -> None:
        connection.autocommit = True
        server_pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        record.info[_POOLED] = connection.info.backend_pid != server_pid
        if record.info[_POOLED]:
            connection.prepare_threshold = None
        else:
            connection.execute(_BOUNDS.format(scope="SESSION", seconds=patience))
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        is_transaction = connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT"
        if is_transaction and connection.info.get(_POOLED):
            bounds = _BOUNDS.format(scope="LOCAL", seconds=patience).split("; ")
            carry_out(connection, [Statement(bound, prepare=False) for bound in bounds])

    return engine
