"""The mailbox in whose Sent folder a relay's messages are found and filed: an IMAP account that names the relay."""

from typing import Any

from sqlalchemy import Connection, select

from mailsvc.domain.jsontext import object_in
from mailsvc.store.mailbox_tables import mailbox
from mailsvc.store.tables import relay

__all__ = ["NO_MAILBOX", "sent_mailbox", "sent_mailboxes"]

NO_MAILBOX = "no IMAP mailbox is linked to the relay (the mailbox's field relay)"


def sent_mailbox(connection: Connection, relay_id: str) -> Any | None:
    """Return the row of the mailbox that is linked to a relay; see ``sent_mailboxes``."""
    row = connection.execute(select(relay.c.id, relay.c.app_id, relay.c.name).where(relay.c.id == relay_id)).first()
    return None if row is None else sent_mailboxes(connection, row.app_id, [row]).get(relay_id)


def sent_mailboxes(connection: Connection, app_id: str, relays: list[Any]) -> dict[str, Any]:
    """Return by relay id the rows of the mailboxes that are linked to an app's relays.

    Each has one, even where several mailboxes watch folders of the same account: copies must not be counted twice. The one
    that names its Sent folder goes first, then the oldest. A failing mailbox counts, since it may recover; one that is
    disabled or paused is not to be used.
    """
    is_usable = mailbox.c.enabled & ~mailbox.c.paused & (mailbox.c.app_id == app_id)
    found: dict[str, tuple[bool, Any]] = {}
    for row in connection.execute(select(mailbox).where(is_usable).order_by(mailbox.c.id)):
        config = object_in(row.config)
        linked, has_folder = config.get("relay"), config.get("sent_folder") is not None
        if linked is None or config.get("protocol") != "imap":
            continue
        for one in relays:
            if linked in (one.name, one.id) and (one.id not in found or has_folder > found[one.id][0]):
                found[one.id] = (has_folder, row)
    return {id_: row for id_, (_, row) in found.items()}
