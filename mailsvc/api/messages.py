"""GET /v1/messages: submitted messages, their deliveries, attempts and events, and the bytes that were sent."""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import Connection

from mailsvc.api.auth import caller, needs
from mailsvc.api.filters import check_filters, requested_instants
from mailsvc.api.input import refuse_unknown_arguments
from mailsvc.api.message_objects import AttemptPage, MessageEventPage, MessageObject, MessagePage
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, requested_limit, requested_page
from mailsvc.api.parts import services
from mailsvc.domain.errors import FieldError, Invalid, NotFound
from mailsvc.domain.lifecycle import Status
from mailsvc.inbox.read import arrivals_about
from mailsvc.outbox import read
from mailsvc.outbox.search import Filter
from mailsvc.outbox.submissions.pending import Pending, pending

__all__ = ["OPERATIONS", "blueprint", "found_message", "shown_message"]

blueprint = Blueprint("messages", __name__)

_FILTERS = ("status", "recipient", "tag", "from", "since", "until", "q")
_STATUSES = frozenset({*(s.value for s in Status), "partial"})


@blueprint.get("/v1/messages")
@needs("read")
def list_messages() -> Response:
    """Messages, newest first."""
    refuse_unknown_arguments(*_FILTERS, "metadata.", "limit", "cursor")
    page = requested_page("msg")
    wanted = _filter()
    with services().database.read() as connection:
        messages = read.page(connection, caller().app_id, wanted, before=page.before, limit=page.fetch)
    more = len(messages) > page.limit
    shown = messages[: page.limit]
    return jsonify(data=shown, next_cursor=shown[-1]["id"] if more else None)


@blueprint.get("/v1/messages/<message:id_>")
@needs("read")
def get_message(id_: str) -> Response:
    """One message; ``?include=content`` adds its text and html."""
    refuse_unknown_arguments("include")
    include = request.args.get("include")
    if include not in (None, "content"):
        raise Invalid(FieldError("include", "must be content"))
    with services().database.read() as connection:
        if (row := _row(connection, id_)) is not None:
            shown = shown_message(connection, row)
            if include:
                shown["text"], shown["html"] = read.texts(connection, row)
            return jsonify(shown)
    if (waiting := pending_message(id_)) is None:
        return get_message(id_)
    shown = read.pending_object(waiting.new_message, waiting.relay) | {"arrivals": []}
    if include:
        made = waiting.new_message
        shown["text"], shown["html"] = read.texts_in(made.content, made.message["submitted"])
    return jsonify(shown)


def shown_message(connection: Connection, row: Any) -> dict[str, Any]:
    """Return one message with what arrived about it."""
    shown = read.message_objects(connection, [row])[0]
    return shown | {"arrivals": arrivals_about(connection, row.id)}


@blueprint.get("/v1/messages/<message:id_>/events")
@needs("read")
def list_message_events(id_: str) -> Response:
    """A message's events, oldest first."""
    refuse_unknown_arguments("limit", "cursor")
    page = requested_page("evt")
    with services().database.read() as connection:
        row = _row(connection, id_)
        events = row and read.events_of(connection, row.id, after=page.before, limit=page.limit)
    if row is None:
        return jsonify(data=[], next_cursor=None) if pending_message(id_) else list_message_events(id_)
    if events is None:
        raise _no_cursor()
    bodies, last, more = events
    cursor = f'"{last}"' if more else "null"
    return Response(f'{{"data":[{",".join(bodies)}],"next_cursor":{cursor}}}', content_type="application/json")


@blueprint.get("/v1/messages/<message:id_>/attempts")
@needs("read")
def list_message_attempts(id_: str) -> Response:
    """Every attempt at a message's deliveries, oldest first."""
    refuse_unknown_arguments("limit", "cursor")
    limit, cursor = requested_limit(), request.args.get("cursor")
    with services().database.read() as connection:
        row = _row(connection, id_)
        attempts = row and read.attempts_of(connection, row.id, after=cursor, limit=limit + 1)
    if row is None:
        return jsonify(data=[], next_cursor=None) if pending_message(id_) else list_message_attempts(id_)
    if attempts is None:
        raise _no_cursor()
    shown = attempts[:limit]
    return jsonify(data=shown, next_cursor=shown[-1]["id"] if len(attempts) > limit else None)


@blueprint.get("/v1/messages/<message:id_>/raw")
@needs("read")
def get_message_raw(id_: str) -> Response:
    """The frozen bytes that every attempt sends."""
    refuse_unknown_arguments()
    with services().database.read() as connection:
        row = _row(connection, id_)
        content = row and read.content(connection, row.id)
    if row is None:
        if pending_message(id_) is None:
            return get_message_raw(id_)
        raise NotFound("the message is not composed yet; ask again in a moment", code="not_composed")
    if content is None:
        raise NotFound("the content of this message is no longer stored")
    return Response(content, content_type="message/rfc822")


def found_message(connection: Connection, id_: str) -> Any:
    """Return the message's row; raises NotFound, also if it belongs to another app."""
    if (row := _row(connection, id_)) is None:
        raise NotFound("there is no such message")
    return row


def pending_message(id_: str) -> Pending | None:
    """Return the message that a row of ``mailsvc_submission`` will become; None where it has just become one.

    Raises:
        NotFound: there is no such row or message, or it belongs to another app.
    """
    parts = services()
    if (waiting := pending(parts.outbox.builder, caller().app_id, id_)) is not None:
        return waiting
    with parts.database.read() as connection:
        found_message(connection, id_)
    return None


def _row(connection: Connection, id_: str) -> Any:
    return read.find(connection, caller().app_id, id_)


def _no_cursor() -> Invalid:
    return Invalid(FieldError("cursor", "is not a next_cursor of this list"))


def _filter() -> Filter:
    arguments = request.args
    check_filters(arguments)
    for status in arguments.getlist("status"):
        if status not in _STATUSES:
            raise Invalid(
                FieldError(
                    "status", f"{status[:100]!r} is not a status; known statuses are {', '.join(sorted(_STATUSES))}"
                )
            )
    metadata = {
        name.removeprefix("metadata."): tuple(arguments.getlist(name))
        for name in arguments
        if name.startswith("metadata.")
    }
    return Filter(
        status=tuple(arguments.getlist("status")),
        recipient=tuple(arguments.getlist("recipient")),
        tag=tuple(arguments.getlist("tag")),
        sender=tuple(arguments.getlist("from")),
        since=min(requested_instants("since"), default=None),
        until=max(requested_instants("until"), default=None),
        metadata=metadata,
        text=tuple(arguments.getlist("q")),
    )


OPERATIONS = {
    "list_messages": Operation(
        summary="List messages, newest first.",
        answer=MessagePage,
        query={
            "status": "Only messages with this status; may be repeated.",
            "recipient": "Only messages to this address; may be repeated.",
            "tag": "Only messages with this tag; may be repeated.",
            "metadata.KEY": "Only messages whose metadata has this value under KEY; may be repeated.",
            "from": "Only messages whose `from` contains this text; may be repeated.",
            "since": "Only messages accepted at or after this RFC 3339 time.",
            "until": "Only messages accepted before this RFC 3339 time.",
            "q": "Only messages whose subject, addresses or id contain this text.",
            **PAGING,
        },
    ),
    "get_message": Operation(
        summary="Get one message with its deliveries.",
        answer=MessageObject,
        query={"include": "`content` adds `text` and `html`."},
    ),
    "list_message_events": Operation(
        summary="List a message's events, oldest first.", answer=MessageEventPage, query=PAGING
    ),
    "list_message_attempts": Operation(
        summary="List the SMTP attempts of a message's deliveries, oldest first.", answer=AttemptPage, query=PAGING
    ),
    "get_message_raw": Operation(summary="Get the message exactly as every attempt sends it.", media="message/rfc822"),
}
