"""Reads arrivals: a page of a list, one, its raw form."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from mailsvc import clock
from mailsvc.domain.errors import NotFound
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body
from mailsvc.store.newest_first import newest_first

__all__ = ["KINDS", "ArrivalFilter", "arrivals_about", "get_arrival", "get_raw", "list_arrivals"]

KINDS = ("bounce", "delay", "receipt", "complaint", "reply", "auto_reply", "unsubscribe", "message", "unparsed")


MOST_OF_MESSAGE = 200  # arrivals that a message shows


@dataclass(frozen=True, slots=True)
class ArrivalFilter:
    """The filters of a list of arrivals; several values of one filter mean any of them."""

    mailbox: tuple[str, ...] = ()  # ids
    kind: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


def list_arrivals(
    database: Database, app_id: str, wanted: ArrivalFilter, *, before: str | None, limit: int
) -> Sequence[Any]:
    """Return the app's classified arrivals with an id below ``before``, newest first."""
    conditions = [arrival.c.app_id == app_id, arrival.c.kind.is_not(None), *_conditions(wanted)]
    own = select(arrival).where(*conditions)
    with database.read() as connection:
        return connection.execute(newest_first(own, arrival.c.id, before=before, limit=limit)).all()


def get_arrival(database: Database, app_id: str, id_: str) -> Any:
    """Return one arrival. Raises NotFound."""
    own = (arrival.c.id == id_) & (arrival.c.app_id == app_id) & arrival.c.kind.is_not(None)
    with database.read() as connection:
        row = connection.execute(select(arrival).where(own)).first()
    if row is None:
        raise NotFound(f"there is no arrival {id_[:100]!r}")
    return row


def arrivals_about(connection: Connection, message_id: str) -> list[dict[str, Any]]:
    """Return the arrivals about a message, oldest first, as the message shows them."""
    own = select(arrival).where(arrival.c.message_id == message_id, arrival.c.kind.is_not(None))
    rows = connection.execute(own.order_by(arrival.c.id).limit(MOST_OF_MESSAGE)).all()
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "from": row.sender,
            "subject": row.subject,
            "delivery_id": row.delivery_id,
            "received_at": clock.rfc3339(row.received_at),
        }
        for row in rows
    ]


def get_raw(database: Database, app_id: str, id_: str) -> bytes:
    """Return the mail as the server gave it. Raises NotFound."""
    get_arrival(database, app_id, id_)
    with database.read() as connection:
        wanted = select(arrival_body.c.content).where(arrival_body.c.arrival_id == id_)
        content: bytes | None = connection.execute(wanted).scalar()
    if content is None:
        raise NotFound(f"the raw form of {id_!r} is not kept any more")
    return content


def _conditions(wanted: ArrivalFilter) -> list[ColumnElement[bool]]:
    found = [
        _any(wanted.sender, lambda text: _says(arrival.c.sender, text)),
        _any(
            wanted.recipient, lambda text: _says_json(arrival.c.recipients, text) | _says_json(arrival.c.copied, text)
        ),
        _any(wanted.text, _mentions),
    ]
    for column, values in (
        (arrival.c.mailbox_id, wanted.mailbox),
        (arrival.c.kind, wanted.kind),
        (arrival.c.message_id, wanted.message),
    ):
        found.append(column.in_(values) if values else None)
    found.append(None if wanted.since is None else arrival.c.received_at >= wanted.since)
    found.append(None if wanted.until is None else arrival.c.received_at < wanted.until)
    return [condition for condition in found if condition is not None]


def _any(values: tuple[str, ...], condition: Any) -> Any:
    return or_(*(condition(value) for value in values)) if values else None


def _says(column: Any, text: str) -> ColumnElement[bool]:
    # SQLite's lower() handles ASCII only: text in exactly this spelling must be found there, too.
    found: ColumnElement[bool] = or_(
        func.lower(column).contains(text.lower(), autoescape=True), column.contains(text, autoescape=True)
    )
    return found


def _says_json(column: Any, text: str) -> ColumnElement[bool]:
    return _says(column, json.dumps(text, ensure_ascii=False)[1:-1])


def _mentions(text: str) -> ColumnElement[bool]:
    return or_(
        _says(arrival.c.subject, text),
        _says(arrival.c.sender, text),
        _says_json(arrival.c.recipients, text),
        _says_json(arrival.c.copied, text),
        arrival.c.header_message_id == text,
        arrival.c.id == text,
    )
