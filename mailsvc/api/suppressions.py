"""/v1/suppressions: addresses that the app must not mail."""

from typing import get_args

import msgspec
from flask import Blueprint, Response, jsonify, request

from mailsvc.api.auth import caller, needs
from mailsvc.api.input import read_json, refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.apps import suppressions
from mailsvc.apps.suppression_form import NewSuppression, Reason, shown_suppression
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.outbox.search import canonical
from mailsvc.runtime.wake import EVENTS, NOTIFY

__all__ = ["OPERATIONS", "SuppressionObject", "blueprint"]

blueprint = Blueprint("suppressions", __name__)


class SuppressionChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to an entry."""

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
    page, given = requested_page("sup"), request.args.getlist
    wanted = suppressions.Filter(
        addresses=tuple(canonical(address).lower() for address in given("address")),
        reasons=_known(given("reason")),
        tags=tuple(given("tag")),
    )
    rows = suppressions.list_suppressions(
        services().database, caller().app_id, wanted, before=page.before, limit=page.fetch
    )
    return jsonify(listing(rows, page, shown_suppression))


@blueprint.post("/v1/suppressions")
@needs("admin")
def create_suppression() -> tuple[Response, int]:
    """Stop mailing an address."""
    refuse_unknown_arguments()
    wanted = read_json(NewSuppression)
    row = suppressions.create_suppression(services().database, caller().app_id, wanted)
    services().bell.ring(NOTIFY, EVENTS)
    return jsonify(shown_suppression(row)), 201


@blueprint.get("/v1/suppressions/<id_>")
@needs("read")
def get_suppression(id_: str) -> Response:
    """One suppression."""
    refuse_unknown_arguments()
    return jsonify(shown_suppression(suppressions.get_suppression(services().database, caller().app_id, id_)))


@blueprint.patch("/v1/suppressions/<id_>")
@needs("admin")
def update_suppression(id_: str) -> Response:
    """Change the note or reason of an entry."""
    refuse_unknown_arguments()
    given = msgspec.structs.asdict(read_json(SuppressionChange))
    changes = {name: value for name, value in given.items() if value is not msgspec.UNSET}
    row = suppressions.update_suppression(services().database, caller().app_id, id_, changes)
    return jsonify(shown_suppression(row))


@blueprint.delete("/v1/suppressions/<id_>")
@needs("admin")
def delete_suppression(id_: str) -> tuple[str, int]:
    """Mail the address again."""
    refuse_unknown_arguments()
    suppressions.delete_suppression(services().database, caller().app_id, id_)
    services().bell.ring(NOTIFY, EVENTS)
    return "", 204


def _known(reasons: list[str]) -> tuple[str, ...]:
    for reason in reasons:
        if reason not in get_args(Reason):
            raise Invalid(
                FieldError("reason", f"{reason[:100]!r} is not a reason; known are {', '.join(get_args(Reason))}")
            )
    return tuple(reasons)


OPERATIONS = {
    "list_suppressions": Operation(
        summary="List the suppressions, newest first.",
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
    "get_suppression": Operation(summary="Get one suppression.", answer=SuppressionObject),
    "update_suppression": Operation(
        summary="Change a suppression's note or reason.", request=SuppressionChange, answer=SuppressionObject
    ),
    "delete_suppression": Operation(summary="Mail the address again.", status=204),
}
