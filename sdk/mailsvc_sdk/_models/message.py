"""Messages, and what becomes of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, overload

from mailsvc_sdk._errors import BatchError, MailsvcError
from mailsvc_sdk._models.record import Record, record
from mailsvc_sdk._models.words import (
    ArrivalKind,
    BounceReason,
    MessageStatus,
    OnUncertain,
    Priority,
    Status,
)

__all__ = [
    "TLS",
    "Accepted",
    "AcceptedDelivery",
    "ArrivalOfMessage",
    "Attempt",
    "BatchResult",
    "Bounce",
    "Delivery",
    "DeliveryActionResult",
    "Message",
    "MessageActionResult",
    "MessageAttachment",
    "SMTPReply",
]


@record
class SMTPReply(Record):
    """What an SMTP server said.

    Attributes:
        stage: ``connect``, ``greeting``, ``ehlo``, ``starttls``, ``auth``, ``mail``, ``rcpt``, ``data``, ``body`` or ``eom``.
        enhanced_code: RFC 3463, such as ``5.1.1``.
    """

    shown = ("stage", "code", "enhanced_code")

    stage: str
    code: int | None
    enhanced_code: str | None
    text: str
    host: str


@record
class Bounce(Record):
    """Why a message did not arrive.

    Attributes:
        type: ``hard`` if sending to this address again will fail too.
        recipient: the address that the report names.
    """

    shown = ("type", "reason")

    type: str
    reason: BounceReason
    source: str
    code: int | None
    enhanced_code: str | None
    diagnostic: str | None
    remote_mta: str | None
    reporting_mta: str | None
    recipient: str | None


@record
class TLS(Record):
    """How a connection was encrypted."""

    shown = ("version", "cipher", "verified")

    version: str
    cipher: str
    verified: bool


@record
class AcceptedDelivery(Record):
    """A recipient of a message that was just accepted."""

    id: str
    recipient: str
    status: Status


@record
class Accepted(Record):
    """A message that is on stable storage.

    Attributes:
        id: mailsvc's own (``msg_…``).
        message_id: the Message-ID of the mail.
        replayed: whether it was accepted before, under the same idempotency key.
    """

    id: str
    message_id: str
    status: Status
    created_at: datetime
    deliveries: tuple[AcceptedDelivery, ...]
    replayed: bool
    idempotency_key: str
    request_id: str | None


@record
class Delivery(Record):
    """One recipient of one message."""

    id: str
    recipient: str
    kind: str
    status: Status
    attempts: int
    next_attempt_at: datetime | None
    last_smtp: SMTPReply | None
    updated_at: datetime


@record
class MessageAttachment(Record):
    """What is known of an attachment; its content is in the raw message."""

    shown = ("filename", "content_type", "size")

    filename: str
    content_type: str
    size: int
    content_id: str | None
    disposition: str | None


@record
class ArrivalOfMessage(Record):
    """A mail that arrived about a message."""

    shown = ("id", "kind")

    id: str
    kind: ArrivalKind
    from_: str | None
    subject: str | None
    delivery_id: str | None
    received_at: datetime


@record
class Message(Record):
    """A message as it was submitted, and its deliveries.

    Attributes:
        expires_in: seconds.
        text: None unless asked for with ``include_content=True``; ``html`` likewise.
        arrivals: mails that arrived about it; None in lists.
    """

    id: str
    message_id: str
    status: MessageStatus
    created_at: datetime
    updated_at: datetime
    from_: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    reply_to: tuple[str, ...]
    subject: str | None
    headers: Mapping[str, str | list[str]]
    attachments: tuple[MessageAttachment, ...]
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    scheduled_at: datetime | None
    expires_in: int
    priority: Priority
    relay: str
    on_uncertain: OnUncertain
    delivery_receipt: bool
    in_reply_to: str | None
    sender: str | None
    return_path: str | None
    list_unsubscribe_post: bool
    store: bool
    template: str | None
    variables: Mapping[str, Any]
    size: int
    deliveries: tuple[Delivery, ...]
    arrivals: tuple[ArrivalOfMessage, ...] | None
    text: str | None
    html: str | None


@record
class Attempt(Record):
    """The result of one SMTP transaction for one delivery."""

    shown = ("id", "number", "outcome")

    id: str
    delivery_id: str
    number: int
    started_at: datetime
    duration_ms: float
    stage: str
    code: int | None
    enhanced_code: str | None
    text: str
    relay: str
    host: str
    tls: TLS | None
    outcome: str


@record
class DeliveryActionResult(Record):
    """What an action did to one delivery; ``detail`` says why it did nothing."""

    id: str
    recipient: str
    status: Status
    changed: bool
    detail: str | None


@record
class MessageActionResult(Record):
    """What an action did to a message."""

    id: str
    status: MessageStatus
    deliveries: tuple[DeliveryActionResult, ...]


class BatchResult(Sequence[Accepted | MailsvcError]):
    """For each message of a batch, in its order: what was accepted, or why it was not."""

    def __init__(self, entries: Sequence[Accepted | MailsvcError] = ()) -> None:
        self._entries = tuple(entries)

    @overload
    def __getitem__(self, index: int) -> Accepted | MailsvcError: ...

    @overload
    def __getitem__(self, index: slice) -> "BatchResult": ...

    def __getitem__(self, index: int | slice) -> "Accepted | MailsvcError | BatchResult":
        return BatchResult(self._entries[index]) if isinstance(index, slice) else self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Accepted | MailsvcError]:
        return iter(self._entries)

    def __repr__(self) -> str:
        return f"BatchResult({len(self.accepted)} accepted, {len(self.errors)} refused)"

    @property
    def accepted(self) -> list[Accepted]:
        """Those that were accepted."""
        return [entry for entry in self._entries if isinstance(entry, Accepted)]

    @property
    def errors(self) -> list[tuple[int, MailsvcError]]:
        """Those that were not: index in the input, and error."""
        return [(index, entry) for index, entry in enumerate(self._entries) if isinstance(entry, MailsvcError)]

    @property
    def ok(self) -> bool:
        """Whether all were accepted."""
        return not self.errors

    def raise_for_errors(self) -> None:
        """Raise BatchError unless all were accepted."""
        errors = self.errors
        if errors:
            index, first = errors[0]
            raise BatchError(f"{len(errors)} of {len(self)} messages were refused; {index}: {first}", result=self)
