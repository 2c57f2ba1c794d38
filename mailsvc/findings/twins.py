"""Arrivals that are the same mail as an older one: two mailboxes may watch the same account and folder."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from mailsvc.domain.jsontext import object_in
from mailsvc.store.mailbox_tables import arrival, mailbox

__all__ = ["twins_among"]


def twins_among(connection: Connection, rows: Sequence[Any]) -> set[str]:
    """Return the ids of those arrivals that another mailbox of the same account got first.

    Args:
        rows: with id, app_id, mailbox_id and digest.
    """
    siblings = _siblings(connection, {row.app_id for row in rows})
    wanted = [row for row in rows if siblings.get(row.mailbox_id)]
    if not wanted:
        return set()
    digests = {row.digest for row in wanted}
    mailboxes = {id_ for row in wanted for id_ in siblings[row.mailbox_id]}
    query = select(arrival.c.id, arrival.c.mailbox_id, arrival.c.digest).where(
        arrival.c.mailbox_id.in_(mailboxes), arrival.c.digest.in_(digests)
    )
    others = connection.execute(query).all()
    return {
        row.id
        for row in wanted
        for other in others
        if other.digest == row.digest and other.mailbox_id in siblings[row.mailbox_id] and other.id < row.id
    }


def _siblings(connection: Connection, app_ids: set[str]) -> dict[str, set[str]]:
    """Return for each mailbox the others of its app that watch the same account and folder."""
    query = select(mailbox.c.id, mailbox.c.app_id, mailbox.c.config).where(mailbox.c.app_id.in_(app_ids))
    by_account: dict[tuple[str, ...], set[str]] = {}
    for row in connection.execute(query):
        config = object_in(row.config)
        account = (row.app_id, *(str(config.get(name)).lower() for name in ("host", "username", "folder")))
        by_account.setdefault(account, set()).add(row.id)
    return {id_: ids - {id_} for ids in by_account.values() for id_ in ids if len(ids) > 1}
