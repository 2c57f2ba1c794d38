"""A recipient wants no more mail: by the link or the address that their message had."""

from typing import Any

import msgspec
from sqlalchemy import select

from mailsvc.apps.suppressions import Suppression, add_suppressions
from mailsvc.store.database import Database
from mailsvc.store.tables import delivery, message

__all__ = ["find_subscription", "suppress_subscription", "unsubscription"]


def find_subscription(database: Database, delivery_id: str) -> Any:
    """Return the app, recipient and tags of a delivery, None if it is not kept any more."""
    wanted = (
        select(delivery.c.app_id, delivery.c.recipient, message.c.tags)
        .join(message, message.c.id == delivery.c.message_id)
        .where(delivery.c.id == delivery_id)
    )
    with database.read() as connection:
        return connection.execute(wanted).first()


def suppress_subscription(database: Database, subscription: Any) -> None:
    """Suppress the recipient, with its event; a second time changes nothing."""
    with database.write() as connection:
        wanted = unsubscription(subscription.app_id, subscription.recipient, subscription.tags)
        add_suppressions(connection, [wanted], now=database.now())


def unsubscription(app_id: str, recipient: str, tags: str, *, event_id: str | None = None) -> Suppression:
    """Return the suppression: of messages with the first tag of that message, or of all if it has none.

    Args:
        tags: of the message, as JSON.
        event_id: of the mail that asked for it.
    """
    found: list[str] = msgspec.json.decode(tags)
    return Suppression(app_id, recipient, "unsubscribe", tag=found[0] if found else "", event_id=event_id)
