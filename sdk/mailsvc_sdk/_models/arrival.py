"""Mails that arrived."""

from datetime import datetime

from mailsvc_sdk._models.message import Bounce
from mailsvc_sdk._models.record import Record, record
from mailsvc_sdk._models.words import ArrivalKind

__all__ = ["Arrival", "ArrivalAttachment", "Finding"]


@record
class ArrivalAttachment(Record):
    """What is known of an attachment; ``inbound.attachment(arrival.id, index)`` gives its content."""

    shown = ("index", "filename", "content_type", "size")

    index: int
    filename: str
    content_type: str
    size: int
    content_id: str | None
    disposition: str | None


@record
class Finding(Record):
    """What a report says about one recipient."""

    shown = ("kind", "applied")

    kind: str
    recipient: str | None
    message_id: str | None
    delivery_id: str | None
    bounce: Bounce | None
    evidence: tuple[str, ...]
    applied: bool


@record
class Arrival(Record):
    """A mail that was fetched from a mailbox.

    ``text`` to ``headers`` are None in lists.

    Attributes:
        message_id: the mail's own Message-ID.
        in_reply_to_message_id: the message of ours that it is about (``msg_…``).
        text: what the sender wrote now, without quotation and signature.
        headers: name and value, in the mail's order.
    """

    shown = ("id", "kind")

    id: str
    mailbox_id: str
    kind: ArrivalKind
    from_: str | None
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str | None
    date: datetime | None
    message_id: str | None
    in_reply_to_message_id: str | None
    delivery_id: str | None
    recipient: str | None
    size: int
    received_at: datetime
    folder: str
    uid: str | None
    truncated: bool
    error: str | None
    auto_reply: bool
    forwarded: bool
    findings: tuple[Finding, ...]
    evidence: tuple[str, ...]
    text: str | None
    quoted: str | None
    signature: str | None
    html: str | None
    attachments: tuple[ArrivalAttachment, ...] | None
    headers: tuple[tuple[str, ...], ...] | None
