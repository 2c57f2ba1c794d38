"""Extracts the texts from a message's bytes, to show a sent message. Never raises: an unreadable text is None."""

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

from mailsvc.mime.obsolete import without_obsolete_space

__all__ = ["content_of"]

_PARSER = BytesParser(policy=default)


def content_of(raw: bytes) -> tuple[str | None, str | None]:
    """Return the plain text and the HTML of a message, with LF line breaks; None for a missing one."""
    try:
        head, gap, rest = raw.partition(b"\r\n\r\n")
        message = _PARSER.parsebytes(b"".join([without_obsolete_space(head), gap, rest]))
        return _text(message, "plain"), _text(message, "html")
    except Exception:  # noqa: BLE001 - the stdlib parser fails in many ways on hostile mail, and this is only a view
        return None, None


def _text(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body((subtype,))
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        text = data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        text = data.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")
