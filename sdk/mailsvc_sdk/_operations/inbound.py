"""Mails that arrived: ``/v1/inbound``."""

from collections.abc import Iterable
from typing import Unpack

from mailsvc_sdk._call import call
from mailsvc_sdk._exchange import Operation, Request
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.arrival import Arrival
from mailsvc_sdk._models.message import Accepted
from mailsvc_sdk._models.words import ArrivalKind
from mailsvc_sdk._operations import messages, objects
from mailsvc_sdk._operations.messages import SendFields
from mailsvc_sdk._operations.paths import HasId, identifier, parameters, path
from mailsvc_sdk._options import Options
from mailsvc_sdk._sending.times import When

__all__ = ["attachment", "get", "list_", "raw", "reply"]


def list_(
    options: Options,
    *,
    mailbox: str | Iterable[str] | None = None,
    kind: ArrivalKind | Iterable[ArrivalKind] | None = None,
    from_: str | Iterable[str] | None = None,
    to: str | Iterable[str] | None = None,
    message: str | Iterable[str] | None = None,
    since: When | None = None,
    until: When | None = None,
    q: str | None = None,
    page_size: int = 200,
    limit: int | None = None,
    cursor: str | None = None,
) -> Query[Arrival]:
    """List the mails that arrived, newest first.

    Args:
        mailbox: name or id of the mailbox.
        message: id of the message of ours that it is about.
    """
    filters = parameters(mailbox=mailbox, kind=kind, from_=from_, to=to, message=message)
    more = parameters(since=since, until=until, q=q)
    return objects.query(options, Arrival, path("inbound"), filters + more, page=(page_size, limit, cursor))


def get(options: Options, id: str | HasId) -> Operation[Arrival]:
    """Return an arrival with its text, attachments and headers. Raises NotFound."""
    return (yield from objects.fetch(options, Arrival, "inbound", id))


def raw(options: Options, id: str | HasId) -> Operation[bytes]:
    """Return the mail as it came, byte for byte. Raises NotFound."""
    request = Request("GET", path("inbound", id, "raw"), headers={"Accept": "message/rfc822"})
    return (yield from call(options, request)).content


def attachment(options: Options, id: str | HasId, index: int) -> Operation[bytes]:
    """Return the content of an attachment, counted from 0. Raises NotFound."""
    request = Request("GET", path("inbound", id, "attachments", str(index)), headers={"Accept": "*/*"})
    return (yield from call(options, request)).content


def reply(options: Options, arrival: str | HasId, /, **fields: Unpack[SendFields]) -> Operation[Accepted]:
    """Answer a mail, in its thread.

    Args:
        arrival: an Arrival, an event with one, or an id (``arr_…``).
        fields: as of ``send``. Without ``from_`` it is from the sender of the message that the mail is about, else from the
            mail's first recipient (the key needs the scope ``read``). Without ``to`` it goes to the sender, without ``subject`` it is ``Re: …``. ``force`` answers a
            machine too.

    Raises the same as ``send``, and Conflict for the mail of a machine.
    """
    fields["in_reply_to"] = id_ = getattr(arrival, "arrival_id", None) or identifier(arrival)
    if fields.get("from_") is None:
        fields["from_"] = yield from _answering(options, id_)
    return (yield from messages.send(options, None, **fields))


def _answering(options: Options, id_: str) -> Operation[str]:
    """Return who answers: the sender of the message that the mail is about, else the mail's first recipient."""
    found = yield from get(options, id_)
    if found.in_reply_to_message_id:
        return (yield from messages.get(options, found.in_reply_to_message_id)).from_
    if not found.to:
        raise ValueError(f"{id_} names no recipient that could answer: give from_")
    return found.to[0]
