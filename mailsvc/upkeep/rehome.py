"""Moves deliveries of deleted relays to the app's default relay.

A relay is only deleted when nothing waits for it; but a message may be accepted for it at that very moment, and one that
ended earlier may be tried again.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from mailsvc.apps.sandbox_relay import IS_SANDBOX
from mailsvc.store import leases
from mailsvc.store.database import Database
from mailsvc.store.leases import DELIVERIES
from mailsvc.store.tables import delivery, message, relay
from mailsvc.telemetry import facts, log

__all__ = ["adopt_orphans"]

RELAYS_AT_ONCE = 64
AT_ONCE = 500


def adopt_orphans(database: Database) -> int:
    """Move deliveries of deleted relays to existing ones. Returns how many."""
    adopted = 0
    for relay_id in _gone(database):
        while some := _adopt_some(database, relay_id):
            adopted += some
            log.warning("deliveries of a relay that is gone go by the default relay", extra=facts(deliveries=some))
    return adopted


def _gone(database: Database) -> list[str]:
    """The deleted relays that still have unfinished deliveries."""
    gone: list[str] = []
    after = ""
    while True:
        with database.read() as connection:
            due = leases.due_lanes(connection, DELIVERIES, after=after, limit=RELAYS_AT_ONCE)
            ids = [id_ for id_, _ in due]
            known = set(connection.execute(select(relay.c.id).where(relay.c.id.in_(ids))).scalars())
        gone += [id_ for id_ in ids if id_ not in known]
        if len(ids) < RELAYS_AT_ONCE:
            return gone
        after = ids[-1]


def _adopt_some(database: Database, relay_id: str) -> int:
    with database.write() as connection:
        new_relays = _new_relays(connection, relay_id)
        waiting = (delivery.c.relay_id == relay_id) & delivery.c.due_at.is_not(None) & delivery.c.app_id.in_(new_relays)
        columns = (delivery.c.id, delivery.c.message_id, delivery.c.app_id)
        rows = connection.execute(select(*columns).where(waiting).order_by(delivery.c.id).limit(AT_ONCE)).all()
        for app_id, new_relay in new_relays.items():
            own = [row for row in rows if row.app_id == app_id]
            _move(connection, own, new_relay)
    return len(rows)


def _new_relays(connection: Connection, relay_id: str) -> dict[str, str]:
    """The default relay of each app, or its oldest one.

    Never the sandbox: it would tell of mail as sent that reached nobody.
    """
    waiting = (delivery.c.relay_id == relay_id) & delivery.c.due_at.is_not(None)
    apps = select(delivery.c.app_id).where(waiting)
    usable = select(relay.c.app_id, relay.c.id).where(relay.c.app_id.in_(apps), relay.c.enabled, ~IS_SANDBOX)
    new_relays: dict[str, str] = {}
    for app_id, id_ in connection.execute(usable.order_by(relay.c.is_default.desc(), relay.c.id)):
        new_relays.setdefault(app_id, id_)
    return new_relays


def _move(connection: Connection, rows: Sequence[Any], new_relay: str) -> None:
    ids = [row.id for row in rows]
    messages = {row.message_id for row in rows}
    connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(relay_id=new_relay))
    connection.execute(update(message).where(message.c.id.in_(messages)).values(relay_id=new_relay))
