"""The service's tables in an application's own Alembic migrations.

In ``env.py``, so that autogenerate leaves them alone::

    context.configure(…, include_name=include_name, include_object=include_object)

In a migration::

    upgrade(op.get_bind(), schema=None)
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

from mailsvc.errors import TablesMissing
from mailsvc.store import migrate
from mailsvc.store.schema import ensure_schema, quoted

__all__ = ["include_name", "include_object", "upgrade"]

_PREFIX = "mailsvc_"
_SET_PATH = text("SELECT set_config('search_path', :path, true)")


def include_name(name: str | None, type_: str, _parent_names: Mapping[str, str | None]) -> bool:
    """Whether autogenerate looks at what the database has by this name."""
    return type_ != "table" or not (name or "").startswith(_PREFIX)


def include_object(object: Any, name: str | None, type_: str, _reflected: bool, _compare_to: Any) -> bool:  # noqa: A002, FBT001 - Alembic's form
    """Whether autogenerate compares this object of the metadata or the database."""
    table = name if type_ == "table" else getattr(getattr(object, "table", None), "name", None)
    return not (table or "").startswith(_PREFIX)


def upgrade(bind: Connection, schema: str | None = None, *, revision: str | None = None) -> None:
    """Bring the service's tables to this version, or to an earlier revision, in the connection's transaction. Nothing happens where they are.

    Only tables, indexes and functions named ``mailsvc_…`` are created, changed or locked.

    Args:
        bind: ``op.get_bind()``.
        schema: of the tables (PostgreSQL), created if it is missing; by default, the first of the ``search_path``.

    Raises:
        TablesMissing: a newer version has changed the tables.
    """
    with _where_they_are(bind, schema), _migration_inside():
        if revision is not None and (migrate.version_of(bind) or "") >= revision:
            return
        try:
            migrate.upgrade_on(bind, head=revision or migrate.HEAD)
        except migrate.NewerTables as error:
            raise TablesMissing(str(error)) from error


@contextmanager
def _where_they_are(bind: Connection, schema: str | None) -> Iterator[None]:
    if bind.dialect.name == "postgresql":
        migrate.keep_others_waiting(bind)
    if schema is None:
        yield
        return
    before = bind.execute(text("SELECT current_setting('search_path')")).scalar_one()
    ensure_schema(bind, schema)
    bind.execute(_SET_PATH, {"path": quoted(schema)})
    yield
    bind.execute(_SET_PATH, {"path": before})  # after an error, the rollback does it


@contextmanager
def _migration_inside() -> Iterator[None]:
    """Alembic has one migration at a time; give ``op`` and ``context`` back to the application's after ours."""
    from alembic import context, op  # noqa: PLC0415 - an application that only excludes the tables needs none

    outer = [getattr(module, "_proxy", None) for module in (context, op)]
    try:
        yield
    finally:
        for proxy in outer:
            if proxy is not None:
                proxy._install_proxy()  # noqa: SLF001 - there is no public way
