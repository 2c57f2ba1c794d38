"""Writes messages of the standard library, the same message as the same bytes."""

from copy import deepcopy
from email.errors import HeaderParseError
from email.generator import BytesGenerator
from email.message import Message
from email.policy import SMTP, EmailPolicy, Policy
from hashlib import sha256
from io import BytesIO
from typing import Any, cast

__all__ = ["flattened"]


def flattened(message: "Message[Any, Any]") -> bytes:
    """Return a message with a boundary made of its content where it has none. The message itself is left as it is."""
    settled = deepcopy(message)
    _set_boundaries(settled)
    return _written(settled)


def _written(message: "Message[Any, Any]") -> bytes:
    # Not as_bytes: frameworks give it other parameters in their subclasses.
    written = BytesIO()
    BytesGenerator(written, policy=_policy(message)).flatten(message, unixfrom=False)
    return written.getvalue()


def _policy(message: "Message[Any, Any]") -> "Policy[Any]":
    if isinstance(message.policy, EmailPolicy):
        return SMTP
    return message.policy.clone(linesep="\r\n", mangle_from_=False)  # SMTP's can't write headers of its kind


def _set_boundaries(message: "Message[Any, Any]") -> None:
    if not message.is_multipart():
        return
    parts = cast("list[Message[Any, Any]]", message.get_payload())
    for part in parts:
        _set_boundaries(part)
    if message.get_content_maintype() == "multipart" and message.get_boundary() is None:
        _set_boundary(message, parts)


def _set_boundary(message: "Message[Any, Any]", parts: "list[Message[Any, Any]]") -> None:
    content = b"\r\n".join(map(_written, parts))
    try:
        message.set_boundary(f"=_{sha256(content).hexdigest()[:32]}")
    except HeaderParseError:  # without a Content-Type, it is written as no multipart either
        return
