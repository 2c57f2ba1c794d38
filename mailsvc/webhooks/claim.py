"""Claims due posts with their webhook and event, and releases those of dead workers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select, text, update

from mailsvc import clock
from mailsvc.runtime.error_log import log_error
from mailsvc.store import leases
from mailsvc.store.bulk import Document, among, listed
from mailsvc.store.database import Database, is_away
from mailsvc.store.leases import WEBHOOKS, DuePost, Quota
from mailsvc.store.tables import event, webhook, webhook_delivery

__all__ = ["LEASE", "ClaimedPost", "Payload", "release_claims", "return_missing", "take"]

LEASE = 90 * clock.SECOND


class Payload(msgspec.Struct, array_like=True, gc=False):
    """An event and the body to post."""

    id: str
    body: str


@dataclass(frozen=True, slots=True)
class ClaimedPost:
    """A claimed row: one event for one webhook."""

    row: DuePost
    hook: Any  # a row of ``webhook``
    payload: Payload

    @property
    def key(self) -> tuple[str, str]:
        return self.row.webhook_id, self.row.event_id


def take(database: Database, wanted: Sequence[Quota], *, owner: str) -> list[ClaimedPost]:
    """Lease due posts of these webhooks; durable on return."""
    with database.write() as connection:
        now = database.now()
        rows = leases.claim(connection, WEBHOOKS, wanted, owner=owner, now=now, until=now + LEASE)
        hook_ids = list({row.webhook_id for row in rows})
        hooks = {hook.id: hook for hook in connection.execute(_HOOKS, {"ids": hook_ids})}
        payloads = _payloads(connection, {row.event_id for row in rows})
        lost = [row for row in rows if row.webhook_id not in hooks or row.event_id not in payloads]
        _abandon(connection, lost, now)
    return [ClaimedPost(r, hooks[r.webhook_id], payloads[r.event_id]) for r in rows if r not in lost]


def return_missing(database: Database, owner: str, in_hand: Collection[tuple[str, str]]) -> None:
    """Release rows that were claimed by a transaction whose result never arrived."""
    with database.write() as connection:
        now = database.now()
        for row in leases.overdue(connection, WEBHOOKS, owner=owner, now=now):
            if (row.webhook_id, row.event_id) not in in_hand:
                connection.execute(_RETURN, {**row._mapping, "now": now})  # noqa: SLF001 - its public name


def release_claims(database: Database, owner: str) -> None:
    """Release a dead worker's rows at once, before its leases end."""
    with database.write() as connection:
        held = (webhook_delivery.c.lease_owner == owner) & webhook_delivery.c.due_at.is_not(None)
        values = {"status": "queued", "due_at": database.now(), "lease_owner": None}
        connection.execute(update(webhook_delivery).where(held).values(**values))


_HOOKS = select(webhook).where(webhook.c.id.in_(bindparam("ids", expanding=True)), webhook.c.enabled)
_RETURN = text(
    "UPDATE mailsvc_webhook_delivery SET status = 'queued', due_at = :now, lease_owner = NULL "
    "WHERE webhook_id = :webhook_id AND event_id = :event_id AND lease_token = :lease_token"
)
_EVENTS = Document(select(event.c.id, event.c.body).where(among(event.c.id, "ids")), Payload, prepare=False)


def _payloads(connection: Connection, ids: set[str]) -> dict[str, Payload]:
    """The events with these ids; unreadable and dropped events are missing."""
    try:
        return {each.id: each for each in _EVENTS.read(connection, ids=listed(ids))}
    except Exception as error:
        if is_away(error):
            raise
        if len(ids) == 1:
            log_error(error, event=min(ids))
            return {}
        return {id_: each for one in ids for id_, each in _payloads(connection, {one}).items()}


def _abandon(connection: Connection, rows: Sequence[DuePost], now: int) -> None:
    """End rows whose webhook is disabled or deleted, or whose event was dropped."""
    for row in rows:
        key = (webhook_delivery.c.webhook_id == row.webhook_id) & (webhook_delivery.c.event_id == row.event_id)
        values = {"due_at": None, "status": "failed", "error": "webhook disabled", "updated_at": now}
        connection.execute(update(webhook_delivery).where(key).values(**values))
