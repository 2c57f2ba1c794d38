"""The bases of events, and the events about messages and mails that arrived."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, TypeVar, dataclass_transform

from mailsvc_sdk._models.arrival import ArrivalAttachment
from mailsvc_sdk._models.message import Bounce, SMTPReply
from mailsvc_sdk._models.words import ArrivalKind, Status

__all__ = [
    "Event",
    "InboundEvent",
    "InboundReceived",
    "InboundUnmatchedBounce",
    "MessageAutoReplied",
    "MessageBounced",
    "MessageCanceled",
    "MessageComplained",
    "MessageDeferred",
    "MessageDelayed",
    "MessageDelivered",
    "MessageEvent",
    "MessageExpired",
    "MessageHeld",
    "MessageQueued",
    "MessageReplied",
    "MessageSent",
    "MessageSuppressed",
    "MessageUncertain",
    "UnknownEvent",
    "event",
]

E = TypeVar("E")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def event(cls: type[E]) -> type[E]:
    return dataclass(frozen=True, kw_only=True, repr=False, eq=False)(cls)


@event
class Event:
    """Something that happened. ``id`` is the key to tell repeated ones by: webhooks come at least once.

    Attributes:
        sequence: counts in the message, or in the mailbox for ``inbound.*``.
        data: the JSON's; its members are attributes too, None if they are absent.
        cursor: of the feed: ``follow(after=event.cursor)`` continues behind it.
    """

    event_type: ClassVar[str | None] = None

    id: str
    type: str
    timestamp: datetime
    sequence: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict, compare=False)
    cursor: str | None = field(default=None, compare=False)
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        compared = (entry.name for entry in fields(self) if entry.compare)
        return all(getattr(self, name) == getattr(other, name) for name in compared)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, type={self.type!r})"


class UnknownEvent(Event):
    """An event of a type that this version of the SDK does not know."""


@event
class _About(Event):
    """What an event is about."""

    message_id: str | None = None
    delivery_id: str | None = None
    recipient: str | None = None
    bounce: Bounce | None = None


@event
class MessageEvent(_About):
    """An event about a message, and about one recipient of it, except for ``message.queued``."""

    status: Status | None = None
    attempt: int | None = None
    tags: tuple[str, ...] | None = None
    metadata: Mapping[str, str] | None = None
    smtp: SMTPReply | None = None
    detail: str | None = None


@event
class _WithArrival(_About):
    """The members of an event that a mail caused.

    Attributes:
        message_id: the message of ours that it is about.
        header_message_id: the mail's own Message-ID.
        text: what the sender wrote now; None with ``truncated`` if it is over 256 KiB.
        evidence: by what the message was found.
    """

    arrival_id: str | None = None
    mailbox_id: str | None = None
    kind: ArrivalKind | None = None
    from_: str | None = None
    to: tuple[str, ...] | None = None
    cc: tuple[str, ...] | None = None
    subject: str | None = None
    date: datetime | None = None
    header_message_id: str | None = None
    in_reply_to_message_id: str | None = None
    text: str | None = None
    quoted: str | None = None
    signature: str | None = None
    html: str | None = None
    attachments: tuple[ArrivalAttachment, ...] | None = None
    auto_reply: bool | None = None
    forwarded: bool | None = None
    truncated: bool | None = None
    error: str | None = None
    raw_url: str | None = None
    evidence: tuple[str, ...] | None = None


class InboundEvent(_WithArrival):
    """An event that tells of a mail that arrived."""


@event
class _MessageReport(MessageEvent, _WithArrival):
    """An event about a message that a relay's answer or a mail causes."""


@event
class _MessageReply(MessageEvent, InboundEvent):
    """An event about a message that a mail causes."""


class MessageQueued(MessageEvent):
    """Stored durably; it will be sent, or you will be told why not. Once per message, without a recipient."""

    event_type: ClassVar[str | None] = "message.queued"


class MessageSent(MessageEvent):
    """The relay accepted the message. It is not yet delivered to the recipient's mailbox."""

    event_type: ClassVar[str | None] = "message.sent"


class MessageDeferred(MessageEvent):
    """An attempt failed and will be repeated."""

    event_type: ClassVar[str | None] = "message.deferred"


class MessageDelayed(_MessageReport):
    """A later server reported by mail that it still tries."""

    event_type: ClassVar[str | None] = "message.delayed"


class MessageDelivered(_MessageReport):
    """A delivery status notification confirmed the delivery."""

    event_type: ClassVar[str | None] = "message.delivered"


class MessageBounced(_MessageReport):
    """The message will not arrive: the relay rejected it, or a later server reported a failure by mail."""

    event_type: ClassVar[str | None] = "message.bounced"


class MessageComplained(_MessageReport):
    """The recipient reported the message as spam."""

    event_type: ClassVar[str | None] = "message.complained"


class MessageSuppressed(MessageEvent):
    """Not sent, because the address is on the suppression list."""

    event_type: ClassVar[str | None] = "message.suppressed"


class MessageExpired(MessageEvent):
    """Not sent within ``expires_in``. ``smtp`` is the last rejection, if there was one."""

    event_type: ClassVar[str | None] = "message.expired"


class MessageCanceled(MessageEvent):
    """Canceled by the application before it was sent."""

    event_type: ClassVar[str | None] = "message.canceled"


class MessageUncertain(MessageEvent):
    """The connection was lost before the relay confirmed the message, which has ``on_uncertain: hold``."""

    event_type: ClassVar[str | None] = "message.uncertain"


class MessageHeld(MessageEvent):
    """Waits until it is released."""

    event_type: ClassVar[str | None] = "message.held"


class MessageReplied(_MessageReply):
    """A person replied."""

    event_type: ClassVar[str | None] = "message.replied"


class MessageAutoReplied(_MessageReply):
    """A machine replied (vacation notice, ticket number)."""

    event_type: ClassVar[str | None] = "message.auto_replied"


class InboundReceived(InboundEvent):
    """A mail arrived that has no other event; ``kind`` says what it is."""

    event_type: ClassVar[str | None] = "inbound.received"


class InboundUnmatchedBounce(InboundEvent):
    """A bounce that belongs to no known message; no address is suppressed."""

    event_type: ClassVar[str | None] = "inbound.unmatched_bounce"
