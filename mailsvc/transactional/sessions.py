"""Which connection of a Session a mail goes on: that of the transaction which commits the application's rows."""

import os
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import UnboundExecutionError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["connection_of", "require_same_database"]

_LOCAL = frozenset({None, "", "localhost", "127.0.0.1", "::1"})
_USUAL_PORT = 5432  # of PostgreSQL


def connection_of(session: "Session", engine: Engine | None) -> Connection:
    """Return the connection of the session's default bind, or of this engine where it is another of its binds.

    A bind that the session does not have is never asked for: it would open a second transaction without a word.

    Raises:
        TypeError: the session has no default bind, and does not know the engine.
    """
    if engine not in (None, session.bind) and any(engine is bind for bind in _other_binds(session)):
        return session.connection(bind_arguments={"bind": engine})
    try:
        return session.connection()
    except UnboundExecutionError as error:
        raise TypeError(
            "the session has no default bind, and Outbox's engine is none of its binds: nobody can say whose "
            "transaction the mail belongs to"
        ) from error


def _other_binds(session: Any) -> list[Any]:
    """The binds by class or table, and those of Flask-SQLAlchemy by key."""
    binds = getattr(session, "binds", None) or getattr(session, "_Session__binds", {})  # SQLAlchemy 2.1, and 2.0
    flask = getattr(session, "_db", None)
    return [*binds.values(), *getattr(flask, "engines", {}).values()]


def require_same_database(own: Engine | None, target: Engine) -> None:
    """Raise ValueError where the Outbox was made for another database than the target's."""
    if own is not None and own.pool is not target.pool and _database(own) != _database(target):
        raise ValueError(
            f"the Outbox was made for {own.url!r}, and the transaction is one of {target.url!r}: mails and rows would "
            "be committed apart"
        )


def _database(engine: Engine) -> tuple[Any, ...]:
    url = engine.url
    if url.get_backend_name() == "sqlite":
        in_memory = url.database in (None, "", ":memory:")
        return ("sqlite", id(engine.pool) if in_memory else os.path.realpath(str(url.database)))
    host = url.query.get("host", url.host)
    return url.get_backend_name(), "" if host in _LOCAL else host, url.port or _USUAL_PORT, url.database
