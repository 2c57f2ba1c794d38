"""Apps: they own relays, webhooks, keys, suppressions and messages."""

from sqlalchemy import Connection, insert, or_, select

from mailsvc.domain.ids import new_id
from mailsvc.store.tables import app

__all__ = ["app_named", "ensure_first_app", "find_app", "first_app", "lock_app"]


def first_app(connection: Connection) -> str | None:
    """The id of the oldest app, which is the operator's; None before the first start."""
    return connection.execute(select(app.c.id).order_by(app.c.id).limit(1)).scalar()


def ensure_first_app(connection: Connection, *, now: int) -> str:
    """The id of the oldest app, created if there is none."""
    found = first_app(connection)
    if found is not None:
        return found
    id_ = new_id("app")
    connection.execute(insert(app).values(id=id_, name="default", created_at=now, updated_at=now))
    return id_


def find_app(connection: Connection, name_or_id: str) -> str | None:
    """The id of the app with this name or id."""
    wanted = select(app.c.id).where(or_(app.c.id == name_or_id, app.c.name == name_or_id))
    return connection.execute(wanted).scalar()


def app_named(connection: Connection, name: str) -> str | None:
    """The id of the app with this name."""
    return connection.execute(select(app.c.id).where(app.c.name == name)).scalar()


def lock_app(connection: Connection, app_id: str) -> None:
    """Serialize changes to one app until the transaction ends."""
    connection.execute(select(app.c.id).where(app.c.id == app_id).with_for_update())
