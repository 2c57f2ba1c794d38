"""The JSON objects for arrivals."""

from typing import Any, Literal

import msgspec

__all__ = ["Arrival", "ArrivalDetails", "ArrivalList"]

Kind = Literal["bounce", "delay", "receipt", "complaint", "reply", "auto_reply", "unsubscribe", "message", "unparsed"]


class Arrival(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    """A mail that arrived in a mailbox."""

    id: str
    mailbox_id: str
    kind: Kind
    from_: str | None
    to: list[str]
    cc: list[str]
    subject: str | None
    date: str | None
    message_id: str | None
    in_reply_to_message_id: str | None
    delivery_id: str | None
    recipient: str | None
    size: int
    received_at: str
    folder: str
    uid: str | None
    truncated: bool
    error: str | None
    auto_reply: bool
    forwarded: bool
    findings: list[dict[str, Any]]
    evidence: list[str]


class ArrivalAttachment(msgspec.Struct):
    """An attachment; its content is at `/attachments/{index}`."""

    index: int
    filename: str
    content_type: str
    size: int
    content_id: str | None
    disposition: str | None


class ArrivalDetails(Arrival, kw_only=True):
    """A mail that arrived in a mailbox, with its content."""

    text: str | None
    quoted: str | None
    signature: str | None
    html: str | None
    attachments: list[ArrivalAttachment]
    headers: list[list[str]]


class ArrivalList(msgspec.Struct):
    """A page of arrivals, newest first."""

    data: list[Arrival]
    next_cursor: str | None
