"""Messages of the standard library, as bytes."""

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from email.message import Message

__all__ = ["is_mime", "mime_bytes"]


def is_mime(value: object) -> "TypeGuard[Message[Any, Any]]":
    """Whether it is a message of the standard library."""
    email_message = sys.modules.get("email.message")  # where there is one, it was imported
    return email_message is not None and isinstance(value, email_message.Message)


def mime_bytes(mime: "bytes | str | Message[Any, Any]") -> bytes:
    """Return a message as it is to be submitted: lines end in CRLF, and the same message is the same bytes.

    Without that, an idempotency key would not hold: the standard library makes boundaries by chance.
    """
    if isinstance(mime, bytes | bytearray):
        return bytes(mime)
    if isinstance(mime, str):
        return mime.encode()
    from mailsvc_sdk._sending.flattened import flattened  # noqa: PLC0415 - only where it is needed: the package is to be imported quickly

    return flattened(mime)
