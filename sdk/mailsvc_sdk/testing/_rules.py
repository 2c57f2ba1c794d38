"""The service's rules that an application can break, and how a draft becomes a message."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import getaddresses
from typing import Any

from mailsvc_sdk._sending.draft import DraftFields
from mailsvc_sdk.testing._problem import invalid

__all__ = ["bare", "check", "listed", "recipients"]

MEMBERS = frozenset(name.removesuffix("_") for name in DraftFields.__annotations__)
_TEXTS = ("subject", "text", "html", "relay", "template", "in_reply_to", "return_path", "sender")
_BREAK = re.compile(r"[\r\n\0]")

Mistake = tuple[str, str]


def check(draft: Mapping[str, Any]) -> None:
    """Raise Problem unless the service would take the draft."""
    mistakes = list(_mistakes(draft))
    if mistakes:
        raise invalid(*mistakes)


def _mistakes(draft: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in draft.keys() - MEMBERS:
        yield name, "unknown field"
    yield from _types(draft)
    yield from _addresses(draft)
    yield from _content(draft)
    yield from _headers(draft)
    yield from _attachments(draft)
    yield from _times(draft)


def _types(draft: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in _TEXTS:
        if not isinstance(draft.get(name), str | None):
            yield name, "must be a string"
    if not all(isinstance(tag, str) for tag in draft.get("tags") or []):
        yield "tags", "must be strings"
    if not all(isinstance(value, str) for value in (draft.get("metadata") or {}).values()):
        yield "metadata", "must be a mapping of strings"


def _addresses(draft: Mapping[str, Any]) -> Iterator[Mistake]:
    if not draft.get("from"):
        yield "from", "is required"
    elif not _is_address(draft["from"]):
        yield "from", "is not an address"
    for name in ("to", "cc", "bcc", "reply_to"):
        for index, value in enumerate(listed(draft.get(name))):
            if not _is_address(value):
                yield f"{name}.{index}", "is not an address"
    if not any(draft.get(name) for name in ("to", "cc", "bcc", "in_reply_to")):
        yield "to", "a message needs a recipient"


def _is_address(value: object) -> bool:
    mail = bare(value) if isinstance(value, str) and not _BREAK.search(value) else ""
    local, at, domain = mail.rpartition("@")
    return bool(local and at and domain) and " " not in mail


def _content(draft: Mapping[str, Any]) -> Iterator[Mistake]:
    if all(draft.get(name) is None for name in ("text", "html", "template")):
        yield "text", "a message needs text, html or a template"


def _headers(draft: Mapping[str, Any]) -> Iterator[Mistake]:
    if _BREAK.search(str(draft.get("subject") or "")):
        yield "subject", "must not have line breaks"
    for name, value in (draft.get("headers") or {}).items():
        if _BREAK.search(name) or any(_BREAK.search(str(one)) for one in listed(value)):
            yield f"headers.{name}", "must not have line breaks"


def _attachments(draft: Mapping[str, Any]) -> Iterator[Mistake]:
    for index, attachment in enumerate(draft.get("attachments") or []):
        try:
            base64.b64decode(attachment["content"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error):
            yield f"attachments.{index}.content", "must be base64"
        if not attachment.get("filename"):
            yield f"attachments.{index}.filename", "is required"


def _times(draft: Mapping[str, Any]) -> Iterator[Mistake]:
    if draft.get("scheduled_at") and not _is_instant(draft["scheduled_at"]):
        yield "scheduled_at", "must be an RFC 3339 time with a time zone"
    if (draft.get("expires_in") or 60) < 60:
        yield "expires_in", "must be 60 seconds at least"


def _is_instant(text: object) -> bool:
    try:
        return datetime.fromisoformat(str(text)).utcoffset() is not None
    except ValueError:
        return False


def listed(value: Any) -> list[Any]:
    """Return a list of one value or several."""
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def bare(address: str) -> str:
    """Return the address without its name."""
    found = getaddresses([address])
    return found[0][1] if found and found[0][1] else address


def recipients(draft: Mapping[str, Any]) -> dict[str, str]:
    """Return address and kind of each recipient: to before cc before bcc, each address once."""
    found: dict[str, str] = {}
    for kind in ("to", "cc", "bcc"):
        for value in listed(draft.get(kind)):
            found.setdefault(bare(value), kind)
    return found
