"""Whether the service's tables are there, in words."""

from contextlib import nullcontext

from sqlalchemy import Connection, Engine

from mailsvc.errors import TablesMissing
from mailsvc.store.migrate import lack, version_of

__all__ = ["require_tables"]


def require_tables(bind: Engine | Connection, schema: str | None) -> None:
    """Raise TablesMissing where the tables are not those of this version."""
    with bind.connect() if isinstance(bind, Engine) else nullcontext(bind) as connection:
        missing = lack(version_of(connection, schema))
    if missing is not None:
        raise TablesMissing(missing)
