"""Which header fields an application may set itself, and what may be in them."""

import re

from mailsvc.domain.errors import FieldError
from mailsvc.domain.fieldtext import field_flaw, printable

MAX_HEADERS = 100

_LONGEST_NAME = 200  # characters: some of the line must be left for the value
_NAME = re.compile(rf"[A-Za-z0-9!#$%&'*+.^_`|~-]{{1,{_LONGEST_NAME}}}")

_MADE = "it is made by the service"
_RELAYS = "it belongs to mail servers"
_INSTEAD = {
    "from": "use the field from",
    "to": "use the field to",
    "cc": "use the field cc",
    "bcc": "use the field bcc",
    "reply-to": "use the field reply_to",
    "subject": "use the field subject",
    "in-reply-to": "use the field in_reply_to",
    "references": "use the field in_reply_to",
    "sender": "use the field from",
    "date": _MADE,
    "message-id": _MADE,
    "mime-version": _MADE,
    "return-path": "set return_path at the relay",
    "received": _RELAYS,
    "received-spf": _RELAYS,
    "delivered-to": _RELAYS,
    "authentication-results": _RELAYS,
    "domainkey-signature": _RELAYS,
}
_INSTEAD_OF_FAMILY = {
    "content": "use text, html and attachments",
    "dkim": _RELAYS,
    "arc": _RELAYS,
    "resent": "send a new message, or submit a finished one as message/rfc822",
}


def check_headers(headers: dict[str, str], errors: list[FieldError]) -> dict[str, str]:
    """The headers with outer white space gone; every fault is added to ``errors``."""
    if len(headers) > MAX_HEADERS:
        errors.append(FieldError("headers", f"has {len(headers)} entries, at most {MAX_HEADERS} are allowed"))
        return {}
    checked: dict[str, str] = {}
    seen: set[str] = set()
    for name, text in headers.items():
        value = text.strip(" \t")
        if flaw := _name_flaw(name, seen) or _value_flaw(name, value):
            errors.append(FieldError(f"headers.{printable(name[:_LONGEST_NAME])}", flaw))
        seen.add(name.lower())
        checked[name] = value
    return checked


def _name_flaw(name: str, seen: set[str]) -> str | None:
    if not _NAME.fullmatch(name):
        return f"is not a header name; use 1 to {_LONGEST_NAME} letters, digits and hyphens"
    lower = name.lower()
    if lower in seen:
        return "is given twice, in different case; give it once"
    instead = _INSTEAD.get(lower) or _INSTEAD_OF_FAMILY.get(lower.partition("-")[0] if "-" in lower else "")
    return f"can't be set here: {instead}" if instead else None


def _value_flaw(name: str, value: str) -> str | None:
    if flaw := field_flaw(value):
        return flaw
    if name.lower().startswith("list-") and not value.isascii():
        return "must be ASCII; percent-encode other characters of a URI"
    return None
