"""SQLAlchemy on a connection of Django's, in the transaction that is open there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine

__all__ = ["borrowed"]

_URLS: dict[str, tuple[str, dict[str, Any]]] = {
    "sqlite": ("sqlite://", {}),
    "postgresql": ("postgresql+psycopg://", {"use_native_hstore": False}),
}


class _Borrowed:
    """The driver's connection, whose transaction stays Django's."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Leave that to Django."""

    def rollback(self) -> None:
        """Leave that to Django."""

    def close(self) -> None:
        """Leave that to Django."""

    def create_function(self, *_: Any, **__: Any) -> None:
        """Keep Django's functions, which SQLAlchemy would replace by its own of the same names."""


@contextmanager
def borrowed(connection: Any) -> Iterator[Connection]:
    """Return SQLAlchemy's view of one of Django's connections. Raises ValueError for another kind of database."""
    if connection.vendor not in _URLS:
        raise ValueError(f"mailsvc keeps its tables in SQLite or PostgreSQL, not in {connection.vendor}")
    connection.ensure_connection()
    url, options = _URLS[connection.vendor]
    engine = create_engine(url, creator=lambda: _Borrowed(connection.connection), poolclass=NullPool, **options)
    with engine.connect() as found:
        yield found
