"""Records what an arrival is, and emits its event in the same transaction: once, whoever else is doing the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.inbox.keep import KeptMail
from mailsvc.inbox.shown import arrival_columns, event_data
from mailsvc.mime.arrived import ArrivedMail
from mailsvc.store.bulk import carry_out, update_of
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body

__all__ = ["ClassifiedMail", "record_classified", "take_unclassified"]

AT_ONCE = 20
ENOUGH_TRIES = 3


@dataclass(frozen=True, slots=True)
class ClassifiedMail:
    """What became of an arrival."""

    id: str
    kind: str
    mail: ArrivedMail
    error: str | None


def record_classified(connection: Connection, found: Sequence[ClassifiedMail], *, now: int, public_url: str) -> int:
    """Store the kind of each arrival that has none yet, and append its event. Returns how many there were."""
    waiting = {row.id: row for row in _unclassified(connection, [one.id for one in found])}
    new = [one for one in found if one.id in waiting]
    rows = [{"id": one.id, **arrival_columns(one.mail, one.kind, one.error)} for one in new]
    carry_out(connection, update_of(connection.dialect.name, arrival, ("id",), rows))
    events = [_event(waiting[one.id], row, one.mail, public_url) for one, row in zip(new, rows, strict=True)]
    append_events(connection, events, now=now)
    return len(new)


def take_unclassified(database: Database, *, received_before: int) -> list[KeptMail]:
    """Return some arrivals that nobody classified, as after a crash. Each counts as tried.

    A mail that ends the process whenever it is read is given up after three tries, with an error and without its content.
    """
    with database.write() as connection:
        due = arrival.c.kind.is_(None) & (arrival.c.received_at < received_before)
        ids = select(arrival.c.id).where(due).order_by(arrival.c.id).limit(AT_ONCE)
        tried = update(arrival).where(arrival.c.id.in_(ids)).values(tries=arrival.c.tries + 1).returning(arrival)
        rows = connection.execute(tried).all()
        bodies = _bodies(connection, [row.id for row in rows if row.tries <= ENOUGH_TRIES])
    return [_kept(row, bodies.get(row.id)) for row in sorted(rows, key=lambda row: row.id)]


def _unclassified(connection: Connection, ids: Iterable[str]) -> Sequence[Any]:
    wanted = select(arrival.c.id, arrival.c.app_id, arrival.c.mailbox_id)
    # Another process that has just done the same has changed the row: wait for it, and see.
    return connection.execute(wanted.where(arrival.c.id.in_(ids), arrival.c.kind.is_(None)).with_for_update()).all()


def _event(row: Any, columns: dict[str, Any], mail: ArrivedMail, public_url: str) -> NewEvent:
    data = event_data({"mailbox_id": row.mailbox_id, **columns}, mail, public_url=public_url)
    return NewEvent(row.app_id, "inbound.received", data, mailbox_id=row.mailbox_id)


def _bodies(connection: Connection, ids: Sequence[str]) -> dict[str, bytes]:
    wanted = select(arrival_body).where(arrival_body.c.arrival_id.in_(ids))
    return {row.arrival_id: row.content for row in connection.execute(wanted)}


def _kept(row: Any, content: bytes | None) -> KeptMail:
    if content is None:
        return KeptMail(row.id, b"", bool(row.truncated), "The mail could not be read: the process ended each time.")
    return KeptMail(row.id, content, bool(row.truncated), row.error)
