"""Flask-Mail's messages."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from email.message import Message as MIMEMessage
from email.utils import make_msgid
from mimetypes import guess_type
from typing import TYPE_CHECKING, Any

from flask import current_app

from mailsvc_sdk.flask_mail._addresses import Recipient
from mailsvc_sdk.flask_mail._mime import mime_of

if TYPE_CHECKING:
    from mailsvc_sdk.flask_mail._mail import Connection

__all__ = ["Attachment", "BadHeaderError", "Message"]


class BadHeaderError(Exception):
    """A header has a line break."""


class Attachment:
    """A file to send along. Raises ValueError without data."""

    def __init__(
        self,
        filename: str | None = None,
        content_type: str | None = None,
        data: str | bytes | None = None,
        disposition: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        if data is None:
            raise ValueError("The 'data' argument is required.")
        guessed = guess_type(filename)[0] if filename is not None else None
        usual = "text/plain" if isinstance(data, str) else "application/octet-stream"
        self.data: str | bytes = data
        self.filename = filename
        self.content_type: str = content_type or guessed or usual
        self.disposition: str = disposition or "attachment"
        self.headers: dict[str, str] = headers or {}


class Message:
    """A message, with Flask-Mail's parameters in their order.

    Attributes:
        tags, metadata, scheduled_at, idempotency_key: mailsvc's, to be set before it is sent.
        mailsvc_id: its id (``msg_…``) after it was sent.
    """

    def __init__(  # noqa: PLR0917 - Flask-Mail's
        self,
        subject: str = "",
        recipients: list[Recipient] | None = None,
        body: str | None = None,
        html: str | None = None,
        alts: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        sender: Recipient | None = None,
        cc: list[Recipient] | None = None,
        bcc: list[Recipient] | None = None,
        attachments: list[Attachment] | None = None,
        reply_to: Recipient | None = None,
        date: float | None = None,
        charset: str | None = None,
        extra_headers: dict[str, str] | None = None,
        mail_options: list[str] | None = None,
        rcpt_options: list[str] | None = None,
    ) -> None:
        sender = sender or current_app.extensions["mail"].default_sender
        self.subject = subject
        self.recipients: list[Recipient] = recipients or []
        self.sender: str | None = f"{sender[0]} <{sender[1]}>" if isinstance(sender, tuple) else sender
        self.cc: list[Recipient] = cc or []
        self.bcc: list[Recipient] = bcc or []
        self.body = body
        self.alts: dict[str, str] = dict(alts or {})
        self.html = html
        self.attachments: list[Attachment] = attachments or []
        self.reply_to = reply_to
        self.date = date
        self.msgId: str = make_msgid()
        self.charset = charset
        self.extra_headers = extra_headers
        self.mail_options: list[str] = mail_options or []
        self.rcpt_options: list[str] = rcpt_options or []
        self.tags: list[str] = []
        self.metadata: dict[str, str] = {}
        self.scheduled_at: datetime | timedelta | str | None = None
        self.idempotency_key: str | None = None
        self.mailsvc_id: str | None = None

    @property
    def html(self) -> str | None:
        """The HTML, which is one of ``alts``."""
        return self.alts.get("html")

    @html.setter
    def html(self, value: str | None) -> None:
        if value is None:
            self.alts.pop("html", None)
        else:
            self.alts["html"] = value

    @property
    def send_to(self) -> set[Recipient]:
        """All recipients."""
        return {*self.recipients, *self.bcc, *self.cc}

    def add_recipient(self, recipient: Recipient) -> None:
        """Add a recipient."""
        self.recipients.append(recipient)

    def attach(
        self,
        filename: str | None = None,
        content_type: str | None = None,
        data: str | bytes | None = None,
        disposition: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Add an attachment. Raises ValueError without data."""
        self.attachments.append(Attachment(filename, content_type, data, disposition, headers))

    def send(self, connection: "Connection") -> None:
        """Send it."""
        connection.send(self)

    def has_bad_headers(self) -> bool:
        """Whether sender, recipients, reply-to or subject have a line break. A folded subject is none (RFC 5322)."""
        addresses = [self.sender, *self.recipients, self.reply_to]
        return any(_breaks(address) for address in addresses) or _is_bad_subject(self.subject or "")

    def mime(self) -> "MIMEMessage[Any, Any]":
        """Return the message of the standard library."""
        return mime_of(self, ascii_names=current_app.extensions["mail"].ascii_attachments)

    def as_string(self) -> str:
        """Return it as text."""
        return self.mime().as_string()

    def as_bytes(self) -> bytes:
        """Return it as it is sent."""
        return self.mime().as_bytes()

    def __str__(self) -> str:
        return self.as_string()

    def __bytes__(self) -> bytes:
        return self.as_bytes()


def _breaks(address: Recipient | None) -> bool:
    parts = address if isinstance(address, tuple) else (address or "",)
    return any("\n" in part or "\r" in part for part in parts)


def _is_bad_subject(subject: str) -> bool:
    first, *others = subject.split("\r\n")
    folded = all(line[:1] in {"\t", " "} and line.strip() for line in others)
    return not folded or any("\n" in line or "\r" in line for line in (first, *others)) or (not first and bool(others))
