"""/v1/suppressions: addresses that this application must not mail."""

from typing import Any, get_args

import msgspec
from flask import Blueprint, Response, jsonify, request
from sqlalchemy import Connection, delete, select, update

from mailsvc.api.auth import caller, needs
from mailsvc.api.input import read_json, refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.apps.suppressions import Reason, Suppression, add_suppressions, as_shown
from mailsvc.domain.address import parse_mailbox
from mailsvc.domain.errors import Conflict, FieldError, Invalid, NotFound
from mailsvc.domain.fieldtext import field_flaw
from mailsvc.domain.ids import is_id
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.outbox.search import canonical
from mailsvc.runtime.wake import EVENTS, NOTIFY
from mailsvc.store.tables import suppression

__all__ = ["OPERATIONS", "NewSuppression", "SuppressionObject", "blueprint"]

blueprint = Blueprint("suppressions", __name__)

MOST_TAG, MOST_NOTE = 100, 1000


class NewSuppression(msgspec.Struct, forbid_unknown_fields=True):
    """An address, and why it must not be mailed; with a tag, only messages with that tag are held back."""

    address: str
    reason: Reason = "manual"
    tag: str | None = None
    note: str | None = None
    event_id: str | None = None


class SuppressionChange(msgspec.Struct, forbid_unknown_fields=True):
    """What of an entry may be changed."""

    note: str | None | msgspec.UnsetType = msgspec.UNSET
    reason: Reason | msgspec.UnsetType = msgspec.UNSET


class SuppressionObject(msgspec.Struct):
    """An address that is not mailed."""

    id: str
    address: str
    reason: str
    tag: str | None
    note: str | None
    event_id: str | None
    created_at: str
    updated_at: str


class SuppressionPage(msgspec.Struct):
    """Suppressions, newest first."""

    data: list[SuppressionObject]
    next_cursor: str | None


@blueprint.get("/v1/suppressions")
@needs("read")
def list_suppressions() -> Response:
    """Suppressions, newest first."""
    refuse_unknown_arguments("address", "reason", "tag", "limit", "cursor")
    page = requested_page("sup")
    conditions = [suppression.c.app_id == caller().app_id]
    if page.before is not None:
        conditions.append(suppression.c.id < page.before)
    if addresses := request.args.getlist("address"):
        conditions.append(suppression.c.address.in_([canonical(a).lower() for a in addresses]))
    if reasons := request.args.getlist("reason"):
        conditions.append(suppression.c.reason.in_(_known(reasons)))
    if tags := request.args.getlist("tag"):
        conditions.append(suppression.c.tag.in_(tags))
    with services().database.read() as connection:
        rows = connection.execute(
            select(suppression).where(*conditions).order_by(suppression.c.id.desc()).limit(page.fetch)
        ).all()
    return jsonify(listing(rows, page, _shown))


@blueprint.post("/v1/suppressions")
@needs("admin")
def create_suppression() -> tuple[Response, int]:
    """Stop mailing an address."""
    refuse_unknown_arguments()
    given = read_json(NewSuppression)
    address = _checked_address(given)
    wanted = Suppression(caller().app_id, address, given.reason, given.tag or "", given.note, given.event_id)
    with services().database.write() as connection:
        added = add_suppressions(connection, [wanted], now=services().database.now())
        if not added:
            raise Conflict(f"{wanted.address} is suppressed already")
    services().bell.ring(NOTIFY, EVENTS)
    return jsonify(as_shown(added[0])), 201


@blueprint.get("/v1/suppressions/<id_>")
@needs("read")
def get_suppression(id_: str) -> Response:
    """One suppression."""
    refuse_unknown_arguments()
    with services().database.read() as connection:
        return jsonify(_shown(_found(connection, id_)))


@blueprint.patch("/v1/suppressions/<id_>")
@needs("admin")
def update_suppression(id_: str) -> Response:
    """Change its note or reason."""
    refuse_unknown_arguments()
    given = read_json(SuppressionChange)
    _check_text("note", None if given.note is msgspec.UNSET else given.note, MOST_NOTE)
    changed = {
        name: value for name, value in (("note", given.note), ("reason", given.reason)) if value is not msgspec.UNSET
    }
    with services().database.write() as connection:
        _found(connection, id_)
        now = services().database.now()
        connection.execute(update(suppression).where(suppression.c.id == id_).values(updated_at=now, **changed))
        return jsonify(_shown(_found(connection, id_)))


@blueprint.delete("/v1/suppressions/<id_>")
@needs("admin")
def delete_suppression(id_: str) -> tuple[str, int]:
    """Mail the address again."""
    refuse_unknown_arguments()
    with services().database.write() as connection:
        row = _found(connection, id_)
        connection.execute(delete(suppression).where(suppression.c.id == id_))
        news = NewEvent(caller().app_id, "suppression.removed", _shown(row))
        append_events(connection, [news], now=services().database.now())
    services().bell.ring(NOTIFY, EVENTS)
    return "", 204


def _found(connection: Connection, id_: str) -> Any:
    condition = (suppression.c.id == id_) & (suppression.c.app_id == caller().app_id)
    row = connection.execute(select(suppression).where(condition)).first()
    if row is None:
        raise NotFound("there is no such suppression")
    return row


def _shown(row: Any) -> dict[str, Any]:
    return as_shown(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def _checked_address(given: NewSuppression) -> str:
    _check_text("tag", given.tag, MOST_TAG)
    _check_text("note", given.note, MOST_NOTE)
    if given.event_id is not None and not is_id(given.event_id, "evt"):
        raise Invalid(FieldError("event_id", "is not an event's id"))
    try:
        return parse_mailbox(given.address).addr
    except ValueError as error:
        raise Invalid(FieldError("address", str(error))) from None


def _known(reasons: list[str]) -> list[str]:
    for reason in reasons:
        if reason not in get_args(Reason):
            raise Invalid(
                FieldError("reason", f"{reason[:100]!r} is not a reason; known are {', '.join(get_args(Reason))}")
            )
    return reasons


def _check_text(field: str, text: str | None, most: int) -> None:
    if text is None:
        return
    if len(text) > most:
        raise Invalid(FieldError(field, f"must have at most {most} characters"))
    if flaw := field_flaw(text):
        raise Invalid(FieldError(field, flaw))


OPERATIONS = {
    "list_suppressions": Operation(
        summary="Suppressions, newest first.",
        answer=SuppressionPage,
        query={
            "address": "Only this address; may be repeated.",
            "reason": "Only this reason; may be repeated.",
            "tag": "Only entries for this tag; may be repeated.",
            **PAGING,
        },
    ),
    "create_suppression": Operation(
        summary="Stop mailing an address.", request=NewSuppression, answer=SuppressionObject, status=201
    ),
    "get_suppression": Operation(summary="One suppression.", answer=SuppressionObject),
    "update_suppression": Operation(
        summary="Change its note or reason.", request=SuppressionChange, answer=SuppressionObject
    ),
    "delete_suppression": Operation(summary="Mail the address again.", status=204),
}
