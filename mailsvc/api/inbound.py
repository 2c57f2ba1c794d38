"""/v1/inbound: the mails that arrived in the app's mailboxes, their content and their raw form."""

from typing import Any

from flask import Blueprint, Response, request
from werkzeug.http import dump_options_header

from mailsvc.api.auth import caller, needs
from mailsvc.api.filters import check_filters, requested_instants, requested_texts
from mailsvc.api.inbound_objects import ArrivalDetails, ArrivalList
from mailsvc.api.input import refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.apps.mailboxes import mailbox_ids
from mailsvc.domain.errors import FieldError, Invalid, NotFound
from mailsvc.inbox.read import KINDS, ArrivalFilter, get_arrival, get_raw, list_arrivals
from mailsvc.inbox.shown import shown_arrival, shown_content
from mailsvc.mime.arrived import attachment_content, read_mail
from mailsvc.understand.mail import understand

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("inbound", __name__)

_FILTERS = ("mailbox", "kind", "from", "to", "message", "since", "until", "q")


@blueprint.get("/v1/inbound")
@needs("read")
def list_inbound() -> dict[str, Any]:
    """Arrivals, newest first."""
    refuse_unknown_arguments(*_FILTERS, "limit", "cursor")
    page, wanted = requested_page("arr"), _filter()
    rows = list_arrivals(services().database, caller().app_id, wanted, before=page.before, limit=page.fetch)
    return listing(rows, page, shown_arrival)


@blueprint.get("/v1/inbound/<id_>")
@needs("read")
def get_inbound(id_: str) -> dict[str, Any]:
    """One arrival, with its content."""
    refuse_unknown_arguments()
    row = get_arrival(services().database, caller().app_id, id_)
    return shown_arrival(row) | shown_content(understand(_raw(id_), ()))


@blueprint.get("/v1/inbound/<id_>/raw")
@needs("read")
def get_inbound_raw(id_: str) -> Response:
    """The mail byte for byte as the server gave it."""
    refuse_unknown_arguments()
    return _download(_raw(id_), "message/rfc822", f"{id_}.eml")


@blueprint.get("/v1/inbound/<id_>/attachments/<index>")
@needs("read")
def get_inbound_attachment(id_: str, index: str) -> Response:
    """The decoded content of one attachment."""
    refuse_unknown_arguments()
    raw = _raw(id_)
    number = int(index) if index.isascii() and index.isdigit() and len(index) < 5 else -1
    content = attachment_content(raw, number)
    if content is None:
        raise NotFound(f"this mail has no attachment {index[:20]!r}")
    names = {attachment.index: attachment.filename for attachment in read_mail(raw).attachments}
    return _download(content, "application/octet-stream", names[number])


def _raw(id_: str) -> bytes:
    return get_raw(services().database, caller().app_id, id_)


def _download(content: bytes, media: str, filename: str) -> Response:
    """A response that no browser shows: it is somebody else's content."""
    disposition = dump_options_header("attachment", {"filename": filename})
    return Response(content, content_type=media, headers={"Content-Disposition": disposition})


def _filter() -> ArrivalFilter:
    check_filters(request.args)
    for kind in requested_texts("kind"):
        if kind not in KINDS:
            raise Invalid(FieldError("kind", f"{kind[:100]!r} is not a kind; known kinds are {', '.join(KINDS)}"))
    return ArrivalFilter(
        mailbox=tuple(mailbox_ids(services().database, caller().app_id, requested_texts("mailbox"))),
        kind=requested_texts("kind"),
        sender=requested_texts("from"),
        recipient=requested_texts("to"),
        message=requested_texts("message"),
        text=requested_texts("q"),
        since=min(requested_instants("since"), default=None),
        until=max(requested_instants("until"), default=None),
    )


OPERATIONS = {
    "list_inbound": Operation(
        summary="List arrivals, newest first.",
        answer=ArrivalList,
        query={
            "mailbox": "Only arrivals in the mailbox with this id or name; may be repeated.",
            "kind": "Only arrivals of this kind; may be repeated.",
            "from": "Only arrivals whose `from` contains this text; may be repeated.",
            "to": "Only arrivals whose `to` or `cc` contain this text; may be repeated.",
            "message": "Only arrivals about the message with this id; may be repeated.",
            "since": "Only arrivals received at or after this RFC 3339 time.",
            "until": "Only arrivals received before this RFC 3339 time.",
            "q": "Only arrivals whose subject, addresses, Message-ID or id contain this text.",
            **PAGING,
        },
    ),
    "get_inbound": Operation(summary="Get one arrival with its content.", answer=ArrivalDetails),
    "get_inbound_raw": Operation(summary="Get the mail byte for byte as the server gave it.", media="message/rfc822"),
    "get_inbound_attachment": Operation(
        summary="Get the decoded content of one attachment.", media="application/octet-stream"
    ),
}
