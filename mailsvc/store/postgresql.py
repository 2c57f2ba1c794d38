"""Connections to PostgreSQL, directly or through a pooler that gives each transaction another server session.

PgBouncer in transaction mode has no session of the client's own: what is SET stays with whoever comes next, and a statement
prepared in one transaction is unknown in the next. It shows itself by the process id that it makes up for its clients.
"""

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from mailsvc.store.bulk import Statement, carry_out
from mailsvc.store.liveness import Liveness, WatchedConnection
from mailsvc.store.schema import quoted

__all__ = ["make_engine"]

# A host that dies or freezes inside a transaction must not keep its locks for longer than this. The server ends the
# session if it is idle; in the middle of a pipeline it never counts as idle: then the other workers end it, or a client
# that waits for its locks.
_BOUNDS = (
    "SET {scope} idle_in_transaction_session_timeout = '{seconds}s'",
    "SET {scope} lock_timeout = '{seconds}s'",
)
_CONNECT = {
    "fallback_application_name": "mailsvc",
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
}
_POOLED = "mailsvc.pooled"


def make_engine(
    url: URL, *, schema: str | None, pool_size: int, lock_seconds: int, patience: float
) -> tuple[Engine, Liveness]:
    """An engine, and the check whether its server hangs; then its connections are closed.

    Args:
        url: of the database.
        schema: of the tables; None leaves that to the session's ``search_path``.
        pool_size: connections that are kept open.
        lock_seconds: how long its transactions wait for locks, or stand still, at most.
        patience: seconds that one reply of a living server is waited for.
    """
    liveness = Liveness(patience)
    options: dict[str, Any] = {"max_overflow": 4, "pool_timeout": 5, "hide_parameters": True}
    engine = create_engine(url, pool_size=pool_size, connect_args=_CONNECT, **options)

    @event.listens_for(engine, "do_connect")
    def _(_dialect: Any, _record: Any, arguments: Any, parameters: dict[str, Any]) -> WatchedConnection:
        return WatchedConnection.open(liveness, *arguments, **parameters)

    @event.listens_for(engine, "connect")
    def _(connection: Any, record: Any) -> None:
        connection.autocommit = True
        server_pid = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
        record.info[_POOLED] = connection.info.backend_pid != server_pid
        if record.info[_POOLED]:
            connection.prepare_threshold = None
            connection.is_pooled = True
        else:
            connection.execute("; ".join(_session_settings("SESSION", lock_seconds, schema)))
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        is_transaction = connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT"
        if connection.info.get(_POOLED) and (is_transaction or schema is not None):
            settings = _session_settings("LOCAL", lock_seconds, schema)
            # A read needs a transaction of the server's too, to find its tables; the pool rolls it back.
            begin = [] if is_transaction else ["BEGIN"]
            carry_out(connection, [Statement(sql, prepare=False) for sql in (*begin, *settings)])

    return engine, liveness


def _session_settings(scope: str, lock_seconds: int, schema: str | None) -> list[str]:
    found = [bound.format(scope=scope, seconds=lock_seconds) for bound in _BOUNDS]
    return found if schema is None else [*found, f"SET {scope} search_path = {quoted(schema)}"]
