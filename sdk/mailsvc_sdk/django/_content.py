"""Django's messages, as JSON where that says all, else as MIME."""

import mimetypes
from email.message import Message
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from mailsvc_sdk._sending.attachments import Attachment, attachment
from mailsvc_sdk._sending.mime import mime_bytes

__all__ = ["json_of", "mime_of"]

# The API's JSON makes these itself: a message that sets one is sent as MIME.
_STRUCTURED = frozenset(
    {"from", "to", "cc", "bcc", "reply-to", "sender", "subject", "date", "message-id", "mime-version", "in-reply-to"}
)


def json_of(message: EmailMessage) -> dict[str, Any] | None:
    """Return a message as the API's JSON; None if JSON can't say the same."""
    if not _is_plain(message):
        return None
    bodies = _bodies(message)
    attachments = [_attachment(entry, message) for entry in message.attachments]
    if bodies is None or None in attachments:
        return None
    found = {
        "from": str(message.from_email or settings.DEFAULT_FROM_EMAIL),
        "to": _listed(message.to),
        "cc": _listed(message.cc),
        "bcc": _listed(message.bcc),
        "reply_to": _listed(message.reply_to),
        "subject": str(message.subject),
        "headers": {name: str(value) for name, value in message.extra_headers.items()},
        "attachments": attachments,
    }
    return {name: value for name, value in found.items() if value or name == "from"} | bodies


def _is_plain(message: EmailMessage) -> bool:
    is_djangos = type(message).message is EmailMessage.message
    is_utf8 = not message.encoding or str(message.encoding).lower() in {"utf-8", "utf8"}
    return is_djangos and is_utf8 and _STRUCTURED.isdisjoint(name.lower() for name in message.extra_headers)


def _listed(addresses: Any) -> list[str]:
    return [str(address) for address in addresses if address]


def _bodies(message: EmailMessage) -> dict[str, str] | None:
    body, alternatives = str(message.body), list(getattr(message, "alternatives", ()))
    if message.content_subtype == "html" and not alternatives:
        return {"html": body}
    if message.content_subtype != "plain" or len(alternatives) > 1:
        return None
    if not alternatives:
        return {"text": body}
    content, kind = alternatives[0]
    return {"text": body, "html": content} if kind == "text/html" and isinstance(content, str) else None


def _attachment(entry: Any, message: EmailMessage) -> Any:
    """Return an attachment as the API's JSON; None if it has to stay MIME."""
    if isinstance(entry, Message):
        return None
    filename, content, kind = entry
    kind = kind or mimetypes.guess_type(filename or "")[0] or "application/octet-stream"
    if not filename or kind.startswith(("multipart/", "message/")) or not isinstance(content, bytes | str):
        return None
    if isinstance(content, str) and kind.startswith("text/") and "charset" not in kind:
        kind = f"{kind}; charset={message.encoding or 'utf-8'}"
    return attachment(Attachment(content, filename, kind))


def mime_of(message: EmailMessage) -> bytes:
    """Return the mail as Django makes it, less the Message-ID and Date that nobody asked for."""
    mail = message.message()
    asked = {name.lower() for name in message.extra_headers}
    for name in ("Message-ID", "Date"):
        if name.lower() not in asked:
            del mail[name]
    return mime_bytes(mail)
