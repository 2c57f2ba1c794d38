"""How a relay stands with us, written down: its breaker, for whoever else sends by it, and for the application."""

from typing import Any

from sqlalchemy import update

from mailsvc import clock
from mailsvc.outbox.announce import News, announce
from mailsvc.store.database import Database
from mailsvc.store.tables import relay

__all__ = ["write_standing"]


def write_standing(database: Database, relay_id: str, values: dict[str, Any], event_type: str | None) -> None:
    """Set columns of the relay's row, and tell of it by an event of this type, if any."""
    with database.write() as connection:
        changed = update(relay).where(relay.c.id == relay_id).values(**values).returning(relay)
        row = connection.execute(changed).first()
        if row is None or event_type is None:
            return
        data = {
            "relay_id": row.id,
            "name": row.name,
            "reason": values.get("last_error"),
            "retry_at": clock.rfc3339(row.retry_at) if row.retry_at else None,
        }
        announce(connection, [News(row.app_id, event_type, data)], now=database.now())
