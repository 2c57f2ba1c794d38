"""The JSON objects for messages, deliveries, attempts and a message's events."""

from typing import Any

import msgspec

from mailsvc.api.inbound_objects import Kind

__all__ = ["AttemptObject", "AttemptPage", "DeliveryObject", "MessageEventPage", "MessageObject", "MessagePage"]


class SmtpReply(msgspec.Struct):
    """A reply of the relay, and the stage of the session at which it came."""

    stage: str
    code: int | None
    enhanced_code: str | None
    text: str
    host: str


class DeliveryObject(msgspec.Struct):
    """One recipient of one message."""

    id: str
    recipient: str
    kind: str
    status: str
    attempts: int
    next_attempt_at: str | None
    last_smtp: SmtpReply | None
    updated_at: str


class AttachmentObject(msgspec.Struct):
    """An attachment without its content."""

    filename: str
    content_type: str
    size: int
    content_id: str | None
    disposition: str | None


class ArrivalOfMessage(msgspec.Struct, rename={"from_": "from"}):
    """A mail that arrived about the message: a bounce, a reply, …"""

    id: str
    kind: Kind
    from_: str | None
    subject: str | None
    delivery_id: str | None
    received_at: str


class MessageObject(msgspec.Struct, kw_only=True):
    """A message: what was submitted, and the status of each of its deliveries."""

    id: str
    message_id: str
    status: str
    created_at: str
    updated_at: str
    from_: str = msgspec.field(name="from")
    to: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: list[str]
    subject: str | None
    headers: dict[str, str | list[str]]
    attachments: list[AttachmentObject]
    tags: list[str]
    metadata: dict[str, str]
    scheduled_at: str | None
    expires_in: int
    priority: str
    relay: str
    on_uncertain: str
    delivery_receipt: bool
    in_reply_to: str | None
    sender: str | None
    return_path: str | None
    list_unsubscribe_post: bool
    store: bool
    template: str | None
    variables: dict[str, Any]
    size: int
    deliveries: list[DeliveryObject]
    arrivals: list[ArrivalOfMessage] | msgspec.UnsetType = msgspec.UNSET
    text: str | None = None
    html: str | None = None


class MessagePage(msgspec.Struct):
    """Messages, newest first."""

    data: list[MessageObject]
    next_cursor: str | None


class TlsObject(msgspec.Struct):
    """How the session was protected."""

    version: str
    cipher: str
    verified: bool


class AttemptObject(msgspec.Struct):
    """The result of one SMTP transaction for one delivery."""

    id: str
    delivery_id: str
    number: int
    started_at: str
    duration_ms: float
    stage: str
    code: int | None
    enhanced_code: str | None
    text: str
    relay: str
    host: str
    tls: TlsObject | None
    outcome: str


class AttemptPage(msgspec.Struct):
    """Attempts, oldest first."""

    data: list[AttemptObject]
    next_cursor: str | None


class MessageEvent(msgspec.Struct):
    """An event about a message."""

    id: str
    type: str
    timestamp: str
    sequence: int | None
    data: dict[str, Any]


class MessageEventPage(msgspec.Struct):
    """A message's events, oldest first."""

    data: list[MessageEvent]
    next_cursor: str | None
