"""Messages as the API shows them: one query for a page of messages, one for their deliveries."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, case, select, tuple_

from mailsvc import clock
from mailsvc.domain.lifecycle import Status, message_status
from mailsvc.mime.extract import content_of
from mailsvc.outbox.message_rows import PRIORITIES, NewMessage
from mailsvc.outbox.search import Filter, fits
from mailsvc.outbox.search import conditions as search_conditions
from mailsvc.store.newest_first import newest_first
from mailsvc.store.submission_tables import taken_submission
from mailsvc.store.tables import attempt, body, delivery, event, message, relay

__all__ = [
    "attempts_of",
    "content",
    "events_of",
    "find",
    "message_objects",
    "page",
    "pending_object",
    "texts",
    "texts_in",
]

_PRIORITY_NAMES = {number: name for name, number in PRIORITIES.items()}
_ATTEMPT_ID = re.compile(r"att_([0-9a-z]{26})_([0-9]{1,9})")
_KEPT = frozenset({Status.QUEUED.value, Status.DEFERRED.value})
_TRIED_AGAIN = frozenset({Status.QUEUED.value, Status.SCHEDULED.value, Status.DEFERRED.value})


# While a relay is backing off, its error is the reason why untried deliveries wait.
_TROUBLE = case((relay.c.retry_at.is_not(None), relay.c.last_smtp)).label("trouble")
_DELIVERIES = select(delivery, _TROUBLE).outerjoin(relay, relay.c.id == delivery.c.relay_id)


def find(connection: Connection, app_id: str, id_: str) -> Row[Any] | None:
    """One message's row, if it is this app's; also by the id of a submission that repeated its idempotency key."""
    of_app = _messages().where(message.c.app_id == app_id)
    if (row := connection.execute(of_app.where(message.c.id == id_)).first()) is not None:
        return row
    named = select(taken_submission.c.message_id).where(taken_submission.c.id == id_).scalar_subquery()
    return connection.execute(of_app.where(message.c.id == named)).first()


def pending_object(new_message: NewMessage, relay_name: str) -> dict[str, Any]:
    """The object of a message that is not stored yet."""
    row = SimpleNamespace(**new_message.message, relay_name=relay_name)
    deliveries = [SimpleNamespace(**values, last_smtp=None, trouble=None) for values in new_message.deliveries]
    return _message_object(row, deliveries)


def page(
    connection: Connection, app_id: str, wanted: Filter, *, before: str | None, limit: int
) -> list[dict[str, Any]]:
    """At most ``limit`` messages, newest first, beginning below the id ``before``."""
    found: list[dict[str, Any]] = []
    conditions = [message.c.app_id == app_id, *search_conditions(app_id, wanted)]
    while len(found) < limit:
        candidates = newest_first(_messages().where(*conditions), message.c.id, before=before, limit=limit)
        rows = connection.execute(candidates).all()
        shown = message_objects(connection, [row for row in rows if fits(row, wanted)])
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
    """The frozen bytes of the message."""
    found = connection.execute(select(body.c.content).where(body.c.message_id == message_id)).scalar()
    return bytes(found) if found is not None else None


def texts(connection: Connection, row: Any) -> tuple[str | None, str | None]:
    """The text and the HTML of a message as submitted, with LF line breaks."""
    return texts_in(content(connection, row.id), row.submitted)


def texts_in(raw: bytes | None, submitted: str) -> tuple[str | None, str | None]:
    """The text and the HTML in a message's bytes, as submitted."""
    text, html = (None, None) if raw is None else content_of(raw)
    unended = json.loads(submitted).get("unended", ())
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
        "store": submitted.get("store", True),
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
