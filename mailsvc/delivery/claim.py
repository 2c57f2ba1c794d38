"""Claims deliveries, and reads their messages and the bodies that fit in memory."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from mailsvc import clock
from mailsvc.apps.suppressions import read_suppressions
from mailsvc.store import leases
from mailsvc.store.bodies import read_bodies
from mailsvc.store.bulk import Document, among, listed
from mailsvc.store.database import Database, is_away
from mailsvc.store.leases import DELIVERIES, DueDelivery
from mailsvc.store.tables import body, message

__all__ = ["ClaimedBatch", "MessageFacts", "extend", "fill", "fill_apart", "overdue", "read_body", "take"]

SMALL_BODY = 128 * 1024
PORTION = 256 * 1024  # a larger block would be new memory from the system each time, which costs more than reading


class MessageFacts(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The columns of a message that sending needs."""

    id: str
    envelope_sender: str
    size: int
    smtputf8: bool
    eight_bit: bool
    on_uncertain: str
    delivery_receipt: bool
    scheduled_at: int | None
    created_at: int
    tags: str = "[]"  # JSON
    return_path: str | None = None


_MESSAGES = Document(
    select(*(message.c[name] for name in MessageFacts.__struct_fields__)).where(among(message.c.id, "ids")),
    MessageFacts,
    prepare=False,
)


@dataclass(slots=True)
class ClaimedBatch:
    """Claimed deliveries; ``messages`` and ``bodies`` are by message id, ``suppressed`` holds ids of deliveries."""

    rows: list[DueDelivery]
    suppressed: set[str] = field(default_factory=set)
    messages: dict[str, MessageFacts] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    unreadable: dict[str, Exception] = field(default_factory=dict)


def take(database: Database, wanted: Sequence[leases.Quota], *, owner: str, lease_seconds: int) -> ClaimedBatch:
    """Lease due deliveries of these lanes; durable on return."""
    with database.write() as connection:
        now = database.now()
        until = now + lease_seconds * clock.SECOND
        return ClaimedBatch(leases.claim(connection, DELIVERIES, wanted, owner=owner, now=now, until=until))


def fill_apart(batch: ClaimedBatch, database: Database, *, room: int) -> None:
    """Read the messages; if that fails, one by one, so that an unreadable message does not stop the others."""
    try:
        fill(batch, database, {row.message_id for row in batch.rows}, room=room)
    except Exception as error:
        if is_away(error):
            raise
        for message_id in {row.message_id for row in batch.rows}:
            try:
                fill(batch, database, {message_id}, room=0)
            except Exception as flaw:
                if is_away(flaw):
                    raise
                batch.unreadable[message_id] = flaw


def fill(batch: ClaimedBatch, database: Database, message_ids: set[str], *, room: int) -> None:
    """Read these messages, and small bodies up to ``room`` bytes in all; other bodies are read when their turn comes."""
    with database.read() as connection:
        read = {row.id: row for row in _MESSAGES.read(connection, ids=listed(message_ids))}
        suppressed = set(_suppressed(batch.rows, read, connection))
        for ids in _portions(read.values(), room):
            batch.bodies |= read_bodies(connection, ids)
    batch.messages |= read
    batch.suppressed |= suppressed


def _suppressed(
    rows: Sequence[DueDelivery], messages: dict[str, MessageFacts], connection: Connection
) -> Iterator[str]:
    """The deliveries whose address was suppressed after the message was accepted."""
    listed = read_suppressions(connection, ((row.app_id, row.recipient) for row in rows if row.message_id in messages))
    for row in rows if listed else ():
        facts = messages.get(row.message_id)
        if facts and not row.forced and listed.covers(row.app_id, row.recipient, json.loads(facts.tags)):
            yield row.id


def _portions(messages: Iterable[MessageFacts], room: int) -> Iterator[list[str]]:
    """The ids of small messages that fit into ``room``, in portions that are efficient to read."""
    ids, size = [], 0
    for facts in messages:
        if facts.size <= SMALL_BODY and facts.size <= room:
            ids.append(facts.id)
            room, size = room - facts.size, size + facts.size
            if size >= PORTION:
                yield ids
                ids, size = [], 0
    if ids:
        yield ids


def read_body(database: Database, message_id: str) -> bytes | None:
    """Read one body of any size."""
    with database.read() as connection:
        return connection.execute(select(body.c.content).where(body.c.message_id == message_id)).scalar()


def extend(database: Database, claims: Sequence[DueDelivery], *, lease_seconds: int) -> set[str]:
    """Extend these leases. Returns the ids of the deliveries that this worker still holds."""
    with database.write() as connection:
        until = database.now() + lease_seconds * clock.SECOND
        return {claim.id for claim in claims if leases.extend(connection, DELIVERIES, [_held(claim)], until=until)}


def _held(claim: DueDelivery) -> dict[str, str | int]:
    return {"id": claim.id, "lease_token": claim.lease_token}


def overdue(database: Database, owner: str) -> list[Any]:
    """The rows that this owner holds although the lease has expired."""
    with database.read() as connection:
        return leases.overdue(connection, DELIVERIES, owner=owner, now=database.now())
