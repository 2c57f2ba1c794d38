"""The posts of a webhook, done and waiting: one row per event and webhook."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from mailsvc.store.database import Database
from mailsvc.store.newest_first import newest_first
from mailsvc.store.tables import event, webhook_delivery

__all__ = ["delete_posts", "fail_waiting_posts", "list_posts"]

ROWS_PER_TRANSACTION = 5000


def list_posts(
    database: Database, webhook_id: str, *, statuses: Sequence[str] = (), before: str | None = None, limit: int
) -> Sequence[Any]:
    """Return rows with the ``type`` of their event, newest event first, of events with an id below ``before``."""
    wanted = (
        select(webhook_delivery, event.c.type)
        .outerjoin(event, event.c.id == webhook_delivery.c.event_id)
        .where(webhook_delivery.c.webhook_id == webhook_id)
    )
    if statuses:
        wanted = wanted.where(webhook_delivery.c.status.in_(statuses))
    with database.read() as connection:
        page = newest_first(wanted, webhook_delivery.c.event_id, before=before, limit=limit)
        return connection.execute(page).all()


def fail_waiting_posts(connection: Connection, webhook_id: str, reason: str) -> None:
    """Fail the waiting posts of a webhook that is disabled."""
    waiting = (webhook_delivery.c.webhook_id == webhook_id) & webhook_delivery.c.due_at.is_not(None)
    values = {"due_at": None, "status": "failed", "error": f"webhook disabled: {reason}"}
    connection.execute(update(webhook_delivery).where(waiting).values(**values))


def delete_posts(database: Database, webhook_id: str) -> None:
    """Delete the rows of a webhook, in several transactions, so that other writers are not blocked."""
    own = webhook_delivery.c.webhook_id == webhook_id
    some = select(webhook_delivery.c.event_id).where(own).limit(ROWS_PER_TRANSACTION).scalar_subquery()
    deleted = ROWS_PER_TRANSACTION
    while deleted == ROWS_PER_TRANSACTION:
        with database.write() as connection:
            statement = delete(webhook_delivery).where(own, webhook_delivery.c.event_id.in_(some))
            deleted = connection.execute(statement).rowcount
