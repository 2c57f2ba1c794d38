"""Locks arrivals to be judged, and finds those whose mail another one has told: two mailboxes may watch the same account."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select

from mailsvc.domain.jsontext import object_in
from mailsvc.store.mailbox_tables import arrival, mailbox

__all__ = ["lock_arrivals"]


def lock_arrivals(connection: Connection, ids: Sequence[str], condition: Any) -> tuple[dict[str, Any], set[str]]:
    """Lock those of the arrivals that meet a condition.

    Their twins are locked, too: of two processes that judge the same mail in two mailboxes, one sees what the other did.

    Returns:
        The rows by their ids, and the ids of those whose mail is told by a twin.
    """
    wanted = arrival.c.id.in_(ids) & condition
    twins = _twins(connection, ids, _siblings(connection, ids))
    others = {id_ for found in twins.values() for id_ in found}
    # Another process that has just done the same has changed the row: wait for it, and see. In one order against deadlocks.
    locking = select(arrival).where(or_(wanted, arrival.c.id.in_(others)) if others else wanted)
    locked = {row.id: row for row in connection.execute(locking.order_by(arrival.c.id).with_for_update())}
    own = set(ids)
    meeting = connection.execute(select(arrival.c.id).where(wanted)).scalars() if others else locked
    rows = {id_: locked[id_] for id_ in meeting if id_ in own and id_ in locked}
    told = {id_ for id_ in rows if any(_tells(locked.get(other), rows[id_], rows) for other in twins.get(id_, ()))}
    return rows, told


def _tells(other: Any, row: Any, judged: Mapping[str, Any]) -> bool:
    """Whether the other one of two twins tells of their mail."""
    if other is None:
        return False
    if _is_recorded(row):
        return _is_recorded(other) and other.id < row.id
    return _is_recorded(other) or (other.id in judged and other.id < row.id)


def _is_recorded(row: Any) -> bool:
    return row.kind is not None and row.recheck_at is None


def _twins(connection: Connection, ids: Sequence[str], siblings: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return for each arrival the ids of those with the same content in a mailbox of the same account."""
    if not siblings:
        return {}
    own, other = arrival.alias(), arrival.alias()
    query = (
        select(own.c.id, own.c.mailbox_id, other.c.id.label("other_id"), other.c.mailbox_id.label("other_mailbox_id"))
        .join(other, other.c.digest == own.c.digest)
        .where(own.c.id.in_(ids), own.c.mailbox_id.in_(siblings), other.c.mailbox_id.in_(siblings))
    )
    found: dict[str, set[str]] = {}
    for row in connection.execute(query):
        if row.other_mailbox_id in siblings[row.mailbox_id]:
            found.setdefault(row.id, set()).add(row.other_id)
    return found


def _siblings(connection: Connection, ids: Sequence[str]) -> dict[str, set[str]]:
    """Return for each mailbox the others of its app that watch the same account and folder, if there are any."""
    apps = select(arrival.c.app_id).where(arrival.c.id.in_(ids))
    query = select(mailbox.c.id, mailbox.c.app_id, mailbox.c.config).where(mailbox.c.app_id.in_(apps))
    by_account: dict[tuple[str, ...], set[str]] = {}
    for row in connection.execute(query):
        config = object_in(row.config)
        account = (row.app_id, *(str(config.get(name)).lower() for name in ("host", "username", "folder")))
        by_account.setdefault(account, set()).add(row.id)
    return {id_: ids - {id_} for ids in by_account.values() for id_ in ids if len(ids) > 1}
