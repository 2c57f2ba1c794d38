"""A mail in the fake's outbox."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from mailsvc_sdk._models.record import utc
from mailsvc_sdk._sending.attachments import Attachment
from mailsvc_sdk.testing._mime import mime_of
from mailsvc_sdk.testing._rules import bare, listed, recipients

__all__ = ["SentMail", "sent_mail"]


@dataclass(frozen=True, eq=False, repr=False)
class SentMail:
    """A mail that was accepted. Addresses are bare: ``["alice@example.test"]`` for ``Alice <alice@example.test>`` too.

    Attributes:
        recipients: of to, cc and bcc.
        expires_in: seconds.
        draft: the JSON as it was submitted.
    """

    id: str
    message_id: str
    from_: str
    to: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: list[str]
    recipients: list[str]
    subject: str | None
    text: str | None
    html: str | None
    headers: dict[str, str | list[str]]
    attachments: list[Attachment]
    tags: list[str]
    metadata: dict[str, str]
    scheduled_at: datetime | None
    expires_in: int
    priority: str
    relay: str | None
    idempotency_key: str
    draft: Mapping[str, Any]
    document: dict[str, Any] = field(default_factory=dict)  # as the API shows it now
    raw: bytes | None = None

    def __repr__(self) -> str:
        return f"SentMail(id={self.id!r}, status={self.status!r})"

    @property
    def status(self) -> str:
        """What became of it so far."""
        return str(self.document["status"])

    def mime(self) -> EmailMessage:
        """Return the mail as it would be sent."""
        if self.raw is not None:
            return message_from_bytes(self.raw, policy=SMTP)
        return mime_of(self.draft, self.message_id)


def sent_mail(document: dict[str, Any], draft: Mapping[str, Any], key: str, raw: bytes | None) -> SentMail:
    """Return the mail of a message that was just accepted."""
    return SentMail(
        id=document["id"],
        message_id=document["message_id"],
        from_=bare(draft["from"]),
        to=_bare(draft.get("to")),
        cc=_bare(draft.get("cc")),
        bcc=_bare(draft.get("bcc")),
        reply_to=_bare(draft.get("reply_to")),
        recipients=list(recipients(draft)),
        subject=draft.get("subject"),
        text=draft.get("text"),
        html=draft.get("html"),
        relay=draft.get("relay"),
        headers=dict(draft.get("headers") or {}),
        attachments=[_attachment(entry) for entry in draft.get("attachments") or []],
        tags=list(draft.get("tags") or []),
        metadata=dict(draft.get("metadata") or {}),
        scheduled_at=utc(draft["scheduled_at"]) if draft.get("scheduled_at") else None,
        expires_in=document["expires_in"],
        priority=document["priority"],
        idempotency_key=key,
        draft=draft,
        document=document,
        raw=raw,
    )


def _bare(addresses: str | list[str] | None) -> list[str]:
    return [bare(address) for address in listed(addresses)]


def _attachment(entry: Mapping[str, Any]) -> Attachment:
    return Attachment(
        base64.b64decode(entry["content"]),
        entry["filename"],
        entry.get("content_type"),
        content_id=entry.get("content_id"),
        disposition=entry.get("disposition"),
    )
