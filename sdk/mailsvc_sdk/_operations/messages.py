"""Messages: ``/v1/messages``."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Unpack, cast

from mailsvc_sdk._call import call
from mailsvc_sdk._exchange import Operation, Request, Response
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.message import Accepted, Attempt, Message, MessageActionResult
from mailsvc_sdk._models.preflight import Preflight
from mailsvc_sdk._models.record import decode
from mailsvc_sdk._models.words import MessageStatus, Priority
from mailsvc_sdk._operations.paths import HasId, json_request, parameters, path
from mailsvc_sdk._options import Options
from mailsvc_sdk._sending.addresses import Addresses, AddressLike, address, addresses
from mailsvc_sdk._sending.draft import DraftFields, Handling, draft, require_known
from mailsvc_sdk._sending.mime import is_mime, mime_bytes
from mailsvc_sdk._sending.times import Seconds, When, forbid_relative, instant, seconds

if TYPE_CHECKING:
    from email.message import Message as MIMEMessage

__all__ = [
    "attempts",
    "cancel",
    "get",
    "hold",
    "list_",
    "new_key",
    "raw",
    "release",
    "reschedule",
    "retry",
    "send",
    "send_raw",
    "update",
]


class SendFields(DraftFields, total=False):
    """The keywords of ``send``."""

    idempotency_key: str | None


class RawFields(Handling, total=False):
    """The keywords of ``send_raw``."""

    from_: AddressLike | None
    to: Addresses | None
    idempotency_key: str | None


def new_key() -> str:
    """Return an idempotency key for one call."""
    return f"sdk-{os.urandom(16).hex()}"


def send(
    options: Options,
    message: "Mapping[str, Any] | MIMEMessage[Any, Any] | None" = None,
    /,
    **fields: Unpack[SendFields],
) -> Operation[Accepted]:
    """Send a message. It is on stable storage when this returns.

    Args:
        message: the API's JSON, which keywords go over, or a message of the standard library, which goes by ``send_raw``.
        scheduled_at: an aware datetime, a timedelta from now or an RFC 3339 string.
        expires_in: seconds or a timedelta; after that, mailsvc gives up.
        idempotency_key: makes it safe to send again, in another process too, for 24 hours. Without it, each call has its own.

    Raises:
        ValidationError: the message is not valid; ``errors`` says what, by field.
        APIError: the service refused it, or failed.
        TransportError: no response came. Sending again with its ``idempotency_key`` never doubles.
        TypeError, ValueError: an argument can't be turned into what the API takes.
        OSError: an attachment can't be read.
    """
    if is_mime(message):
        require_known("send_raw", fields, RawFields.__annotations__)
        return (yield from send_raw(options, message, **fields))  # type: ignore[misc] # looked at above
    require_known("send", fields, SendFields.__annotations__)
    key = fields.pop("idempotency_key", None)
    forbid_relative({**(message or {}), **fields}, key)
    request = json_request(
        "POST",
        "/v1/messages",
        draft(cast("Mapping[str, Any] | None", message), fields),
        idempotency_key=key or new_key(),
    )
    return accepted(request, (yield from call(options, request)))


def validate(
    options: Options, message: Mapping[str, Any] | None = None, /, **fields: Unpack[DraftFields]
) -> Operation[Preflight]:
    """Check a message as if it was sent, and see its finished form. Nothing is stored or sent.

    Args:
        message: the API's JSON, which keywords go over.

    Raises the same as ``send``.
    """
    require_known("validate", fields, DraftFields.__annotations__)
    request = json_request("POST", "/v1/messages/validate", draft(message, fields))
    return decode(Preflight, (yield from call(options, request)).json())


def send_raw(
    options: Options,
    mime: "bytes | str | MIMEMessage[Any, Any]",
    /,
    **fields: Unpack[RawFields],
) -> Operation[Accepted]:
    """Send a finished message (RFC 5322). It is on stable storage when this returns.

    Args:
        from_: the envelope sender; by default, of the header.
        to: the envelope recipients; by default, those in the header.

    Raises the same as ``send``.
    """
    require_known("send_raw", fields, RawFields.__annotations__)
    key = fields.pop("idempotency_key", None)
    forbid_relative(fields, key)
    request = Request(
        "POST",
        "/v1/messages",
        _raw_parameters(fields),
        {"Content-Type": "message/rfc822"},
        mime_bytes(mime),
        key or new_key(),
    )
    return accepted(request, (yield from call(options, request)))


def _raw_parameters(fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    given = {name: value for name, value in fields.items() if value is not None}
    if "from_" in given:
        given["from_"] = address(given["from_"])
    if "to" in given:
        given["to"] = addresses(given["to"])
    if "tags" in given:
        given["tag"] = given.pop("tags")
    if "expires_in" in given:
        given["expires_in"] = seconds(given["expires_in"])
    if "scheduled_at" in given:
        given["scheduled_at"] = instant(given["scheduled_at"])
    return parameters(**dict(sorted(given.items())))


def accepted(request: Request, response: Response) -> Accepted:
    """Return what a send answers."""
    return decode(
        Accepted,
        response.json(),
        replayed=response.headers.get("Idempotent-Replayed") == "true",
        idempotency_key=request.idempotency_key,
        request_id=response.headers.get("X-Request-Id"),
    )


def list_(
    options: Options,
    *,
    status: MessageStatus | Iterable[MessageStatus] | None = None,
    recipient: str | Iterable[str] | None = None,
    tag: str | Iterable[str] | None = None,
    from_: str | Iterable[str] | None = None,
    since: When | None = None,
    until: When | None = None,
    metadata: Mapping[str, str | Iterable[str]] | None = None,
    q: str | None = None,
    page_size: int = 200,
    limit: int | None = None,
    cursor: str | None = None,
) -> Query[Message]:
    """List messages, newest first. Filters combine with AND, the values of one filter with OR.

    Args:
        from_: a part of the sender.
        q: a part of subject, addresses or id.
        page_size: how many a request asks for (1-200).
        limit: how many at most in all.
    """
    filters = parameters(status=status, recipient=recipient, tag=tag, metadata=metadata, from_=from_)
    more = parameters(since=since, until=until, q=q)
    return Query(options, path("messages"), _message, filters + more, page_size, limit, cursor)


def _message(document: Mapping[str, Any]) -> Message:
    return decode(Message, document)


def get(options: Options, id: str | HasId, *, include_content: bool = False) -> Operation[Message]:
    """Return a message. Raises NotFound.

    Args:
        include_content: with ``text`` and ``html``.
    """
    params = (("include", "content"),) if include_content else ()
    return decode(Message, (yield from call(options, Request("GET", path("messages", id), params))).json())


def raw(options: Options, id: str | HasId) -> Operation[bytes]:
    """Return a message as it is sent (RFC 5322). Raises NotFound."""
    request = Request("GET", path("messages", id, "raw"), headers={"Accept": "message/rfc822"})
    return (yield from call(options, request)).content


def attempts(
    options: Options,
    id: str | HasId,
    *,
    page_size: int = 200,
    limit: int | None = None,
    cursor: str | None = None,
) -> Query[Attempt]:
    """List the SMTP transactions of a message, the newest first."""

    def attempt(document: Mapping[str, Any]) -> Attempt:
        return decode(Attempt, document)

    return Query(options, path("messages", id, "attempts"), attempt, (), page_size, limit, cursor)


def cancel(options: Options, id: str | HasId) -> Operation[MessageActionResult]:
    """Cancel the deliveries that were not sent yet. Raises NotFound, Conflict if there are none."""
    return (yield from _act(options, id, "cancel"))


def retry(
    options: Options, id: str | HasId, *, recipients: str | Iterable[str] = (), force: bool = False
) -> Operation[MessageActionResult]:
    """Send again to the recipients that failed.

    Args:
        recipients: only to these; by default, to all.
        force: also to those on the suppression list.

    Raises NotFound, Conflict if there are none, ValidationError if one is no recipient of the message.
    """
    chosen = [recipients] if isinstance(recipients, str) else list(recipients)
    wanted = ({"recipients": chosen} if chosen else {}) | ({"force": True} if force else {})
    request = json_request("POST", path("messages", id, "retry"), wanted)
    return decode(MessageActionResult, (yield from call(options, request)).json())


def hold(options: Options, id: str | HasId) -> Operation[MessageActionResult]:
    """Hold the deliveries that were not sent yet, until they are released. Raises NotFound, Conflict."""
    return (yield from _act(options, id, "hold"))


def release(options: Options, id: str | HasId) -> Operation[MessageActionResult]:
    """Release the deliveries that are held. Raises NotFound, Conflict."""
    return (yield from _act(options, id, "release"))


def _act(options: Options, id: str | HasId, action: str) -> Operation[MessageActionResult]:
    response = yield from call(options, Request("POST", path("messages", id, action)))
    return decode(MessageActionResult, response.json())


def update(
    options: Options,
    id: str | HasId,
    *,
    scheduled_at: When | None = None,
    expires_in: Seconds | None = None,
    priority: Priority | None = None,
) -> Operation[Message]:
    """Change when and how a message is sent, while nothing of it was. Raises NotFound, Conflict, ValidationError."""
    changes = draft(None, {"scheduled_at": scheduled_at, "expires_in": expires_in, "priority": priority})
    request = json_request("PATCH", path("messages", id), changes)
    return decode(Message, (yield from call(options, request)).json())


def reschedule(options: Options, id: str | HasId, scheduled_at: When) -> Operation[Message]:
    """Send a message at another time. Raises NotFound, Conflict, ValidationError."""
    return (yield from update(options, id, scheduled_at=scheduled_at))
