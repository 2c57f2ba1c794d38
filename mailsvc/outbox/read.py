"""Messages as they are shown: one query for a page of messages, one for their deliveries."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, or_, select, tuple_

from mailsvc import clock
from mailsvc.domain.address import parse_mailbox
from mailsvc.domain.jsontext import compact
from mailsvc.domain.lifecycle import ATTENTION, FINAL, PARTIAL, Status, message_status
from mailsvc.mime.extract import content_of
from mailsvc.outbox.build import PRIORITIES
from mailsvc.store.tables import attempt, body, delivery, event, message, recipient, relay

__all__ = ["Filter", "attempts_of", "canonical", "content", "events_of", "find", "message_objects", "page", "texts"]

_PRIORITY_NAMES = {number: name for name, number in PRIORITIES.items()}
_ATTEMPT_ID = re.compile(r"att_([0-9a-z]{26})_([0-9]{1,9})")
_KEPT = frozenset({Status.QUEUED.value, Status.DEFERRED.value})
_TRIED_AGAIN = frozenset({Status.QUEUED.value, Status.SCHEDULED.value, Status.DEFERRED.value})


# While a relay is left alone, its trouble is what keeps waiting what nobody has tried yet.
_TROUBLE = case((relay.c.retry_at.is_not(None), relay.c.last_smtp)).label("trouble")
_DELIVERIES = select(delivery, _TROUBLE).outerjoin(relay, relay.c.id == delivery.c.relay_id)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of messages is narrowed to; several values of one kind mean any of them."""

    status: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    metadata: dict[str, tuple[str, ...]] = field(default_factory=dict)
    text: tuple[str, ...] = ()


def find(connection: Connection, app_id: str, id_: str) -> Row[Any] | None:
    """One message's row, if it is this app's."""
    return connection.execute(_messages().where(message.c.app_id == app_id, message.c.id == id_)).first()


def page(
    connection: Connection, app_id: str, wanted: Filter, *, before: str | None, limit: int
) -> list[dict[str, Any]]:
    """At most ``limit`` messages, newest first, beginning below the id ``before``."""
    found: list[dict[str, Any]] = []
    conditions = [message.c.app_id == app_id, *_conditions(app_id, wanted)]
    while len(found) < limit:
        below = [message.c.id < before] if before is not None else []
        rows = connection.execute(
            _messages().where(*conditions, *below).order_by(message.c.id.desc()).limit(limit)
        ).all()
        shown = message_objects(connection, [row for row in rows if _fits(row, wanted)])
        found += [m for m in shown if not wanted.status or m["status"] in wanted.status]
        if len(rows) < limit:
            break
        before = rows[-1].id
    return found[:limit]


def message_objects(connection: Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The objects of these messages, with their deliveries."""
    if not rows:
        return []
    by_message: dict[str, list[Any]] = defaultdict(list)
    chosen = delivery.c.message_id.in_([row.id for row in rows])
    for row in connection.execute(_DELIVERIES.where(chosen).order_by(delivery.c.id)):
        by_message[row.message_id].append(row)
    return [_message_object(row, by_message[row.id]) for row in rows]


def content(connection: Connection, message_id: str) -> bytes | None:
    """The frozen wire bytes."""
    found = connection.execute(select(body.c.content).where(body.c.message_id == message_id)).scalar()
    return bytes(found) if found is not None else None


def texts(connection: Connection, row: Any) -> tuple[str | None, str | None]:
    """The text and the html of a message as they were given, but for line breaks, which are LF."""
    raw = content(connection, row.id)
    text, html = (None, None) if raw is None else content_of(raw)
    unended = json.loads(row.submitted).get("unended", ())
    if text is not None and "text" in unended:
        text = text.removesuffix("\n")
    if html is not None and "html" in unended:
        html = html.removesuffix("\n")
    return text, html


def attempts_of(
    connection: Connection, message_id: str, *, after: str | None, limit: int
) -> list[dict[str, Any]] | None:
    """At most ``limit`` attempts at the deliveries of a message, oldest first; None where ``after`` is no attempt's id."""
    columns = (attempt, relay.c.name.label("relay_name"))
    wanted = (
        select(*columns)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .outerjoin(relay, relay.c.id == attempt.c.relay_id)
        .where(delivery.c.message_id == message_id)
    )
    order = (attempt.c.started_at, attempt.c.delivery_id, attempt.c.number)
    if after is not None:
        last = _attempt(connection, message_id, after)
        if last is None:
            return None
        wanted = wanted.where(tuple_(*order) > tuple_(last.started_at, last.delivery_id, last.number))
    return [_attempt_object(row) for row in connection.execute(wanted.order_by(*order).limit(limit))]


def _attempt(connection: Connection, message_id: str, id_: str) -> Row[Any] | None:
    match = _ATTEMPT_ID.fullmatch(id_)
    if match is None:
        return None
    of_message = select(delivery.c.id).where(delivery.c.id == f"dlv_{match[1]}", delivery.c.message_id == message_id)
    condition = attempt.c.delivery_id.in_(of_message) & (attempt.c.number == int(match[2]))
    return connection.execute(select(attempt).where(condition)).first()


def events_of(
    connection: Connection, message_id: str, *, after: str | None, limit: int
) -> tuple[list[str], str, bool] | None:
    """A message's events as they were frozen, the id of the last one, and whether there are more.

    None where ``after`` is no event of this message.
    """
    condition = event.c.message_id == message_id
    if after is not None:
        begin = connection.execute(select(event.c.sequence).where(condition, event.c.id == after)).scalar()
        if begin is None:
            return None
        condition &= event.c.sequence > begin
    rows = connection.execute(
        select(event.c.id, event.c.body).where(condition).order_by(event.c.sequence).limit(limit + 1)
    ).all()
    shown = rows[:limit]
    return [row.body for row in shown], shown[-1].id if shown else "", len(rows) > limit


def _messages() -> Any:
    return select(message, relay.c.name.label("relay_name")).outerjoin(relay, relay.c.id == message.c.relay_id)


def canonical(address: str) -> str:
    """The spelling in which addresses are kept, whichever way this one is written."""
    try:
        return parse_mailbox(address).addr
    except ValueError:
        return address


def _conditions(app_id: str, wanted: Filter) -> list[ColumnElement[bool]]:
    """What the database can tell. Where LIKE ignores case or finds a part of something else, ``_fits`` decides."""
    conditions = [
        _any(wanted.tag, lambda tag: _contains(message.c.tags, compact(tag))),
        _any(wanted.sender, lambda text: _says(message.c.sender, text)),
        _any(wanted.text, _mentions),
        _any(wanted.status, _has_status),
        *(
            _any(values, lambda value, k=key: _contains(message.c.metadata, f"{compact(k)}:{compact(value)}"))
            for key, values in wanted.metadata.items()
        ),
    ]
    if wanted.recipient:
        chosen = recipient.c.address.in_({canonical(r).lower() for r in wanted.recipient})
        conditions.append(message.c.id.in_(select(recipient.c.message_id).where(recipient.c.app_id == app_id, chosen)))
    if wanted.since is not None:
        conditions.append(message.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(message.c.created_at < wanted.until)
    return [c for c in conditions if c is not None]


def _any(values: tuple[str, ...], condition: Any) -> Any:
    return or_(*(condition(value) for value in values)) if values else None


def _contains(column: Any, fragment: str) -> ColumnElement[bool]:
    """The column holds compact JSON, so that a name or a pair has one spelling only."""
    found: ColumnElement[bool] = column.contains(fragment, autoescape=True)
    return found


def _says(column: Any, text: str) -> ColumnElement[bool]:
    # SQLite's lower() knows ASCII only: what is spelt exactly so must be found there, too.
    return or_(_contains(func.lower(column), text.lower()), _contains(column, text))


def _mentions(text: str) -> ColumnElement[bool]:
    return or_(
        _says(message.c.subject, text),
        _says(message.c.submitted, compact(text)[1:-1]),
        message.c.message_id == text,
        message.c.id == text,
    )


def _has_status(status: str) -> ColumnElement[bool]:
    """The same as ``lifecycle.message_status`` says of the deliveries."""
    if status == PARTIAL:
        return and_(~_has_delivery(delivery.c.status.not_in(FINAL)), ~_all_alike())
    if status in FINAL:
        return and_(_has_delivery(delivery.c.status == status), ~_has_delivery(delivery.c.status != status))
    earlier = ATTENTION[: ATTENTION.index(Status(status))]
    return and_(_has_delivery(delivery.c.status == status), ~_has_delivery(delivery.c.status.in_(earlier)))


def _all_alike() -> ColumnElement[bool]:
    span = select(func.min(delivery.c.status) == func.max(delivery.c.status)).where(
        delivery.c.message_id == message.c.id
    )
    return span.scalar_subquery()


def _has_delivery(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(and_(delivery.c.message_id == message.c.id, condition))


def _fits(row: Any, wanted: Filter) -> bool:
    return (
        (not wanted.tag or not set(wanted.tag).isdisjoint(json.loads(row.tags)))
        and (not wanted.metadata or _has_metadata(json.loads(row.metadata), wanted))
        and (not wanted.text or any(_is_mentioned(text.casefold(), row) for text in wanted.text))
    )


def _has_metadata(metadata: dict[str, str], wanted: Filter) -> bool:
    return all(metadata.get(key) in values for key, values in wanted.metadata.items())


def _is_mentioned(text: str, row: Any) -> bool:
    """In the subject, an address or a name, an id; not in the names of members or elsewhere in what was submitted."""
    submitted = json.loads(row.submitted)
    addresses = chain(*(submitted[member] for member in ("to", "cc", "bcc", "reply_to")))
    said = (row.subject or "", row.sender, row.id, row.message_id, *addresses)
    return any(text in words.casefold() for words in said)


def _message_object(row: Any, deliveries: list[Any]) -> dict[str, Any]:
    submitted = json.loads(row.submitted)
    return {
        "id": row.id,
        "message_id": row.message_id,
        "status": message_status({d.status for d in deliveries}) if deliveries else "partial",
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(max([row.created_at, *(d.updated_at for d in deliveries)])),
        "from": submitted["from"],
        "to": submitted["to"],
        "cc": submitted["cc"],
        "bcc": submitted["bcc"],
        "reply_to": submitted["reply_to"],
        "subject": row.subject,
        "headers": submitted["headers"],
        "attachments": [{"disposition": None, **attached} for attached in submitted["attachments"]],
        "tags": json.loads(row.tags),
        "metadata": json.loads(row.metadata),
        "scheduled_at": clock.rfc3339(row.scheduled_at) if row.scheduled_at else None,
        "expires_in": submitted["expires_in"],
        "priority": _PRIORITY_NAMES[row.priority],
        "relay": row.relay_name or row.relay_id,
        "on_uncertain": row.on_uncertain,
        "delivery_receipt": bool(row.delivery_receipt),
        "in_reply_to": submitted["in_reply_to"],
        "sender": submitted.get("sender"),
        "return_path": submitted.get("return_path"),
        "list_unsubscribe_post": submitted.get("list_unsubscribe_post", False),
        "template": None,
        "variables": {},
        "size": row.size,
        "deliveries": [_delivery_object(d) for d in deliveries],
    }


def _delivery_object(row: Any) -> dict[str, Any]:
    due_at = row.due_at if row.status in _TRIED_AGAIN else None
    last_smtp = row.last_smtp or (row.trouble if row.status in _KEPT else None)
    return {
        "id": row.id,
        "recipient": row.recipient,
        "kind": row.kind,
        "status": row.status,
        "attempts": row.attempts,
        "next_attempt_at": clock.rfc3339(max(due_at, row.created_at)) if due_at is not None else None,
        "last_smtp": json.loads(last_smtp) if last_smtp else None,
        "updated_at": clock.rfc3339(row.updated_at),
    }


def _attempt_object(row: Any) -> dict[str, Any]:
    return {
        "id": f"att_{row.delivery_id.removeprefix('dlv_')}_{row.number}",
        "delivery_id": row.delivery_id,
        "number": row.number,
        "started_at": clock.rfc3339(row.started_at),
        "duration_ms": round(row.duration_ms, 3),
        "stage": row.stage,
        "code": row.code,
        "enhanced_code": row.enhanced_code,
        "text": row.text,
        "relay": row.relay_name or row.relay_id,
        "host": row.host,
        "tls": json.loads(row.tls) if row.tls else None,
        "outcome": row.outcome,
    }
