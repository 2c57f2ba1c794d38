"""The header fields that an application may set, and the rules for their values."""

import re

from mailsvc.domain.errors import FieldError
from mailsvc.domain.fieldtext import MAX_FIELD_OCTETS, field_flaw, printable
from mailsvc.domain.prepared import Headers

MAX_HEADERS = 100
LONGEST_VALUE = 16_384  # octets, folded: some providers accept instructions as JSON in a header
_ALLOWED = frozenset({"content-language"})

_LONGEST_NAME = 200  # characters: the line must leave space for the value
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
    "sender": "use the field sender",
    "date": _MADE,
    "message-id": _MADE,
    "mime-version": _MADE,
    "return-path": "use the field return_path",
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


def check_headers(headers: Headers, errors: list[FieldError]) -> Headers:
    """Return the headers without outer white space; adds every error to ``errors``."""
    if sum(1 if isinstance(given, str) else len(given) for given in headers.values()) > MAX_HEADERS:
        errors.append(FieldError("headers", f"has too many entries, at most {MAX_HEADERS} are allowed"))
        return {}
    checked: Headers = {}
    seen: set[str] = set()
    for name, given in headers.items():
        where = f"headers.{printable(name[:_LONGEST_NAME])}"
        if flaw := _name_flaw(name, seen):
            errors.append(FieldError(where, flaw))
        seen.add(name.lower())
        if isinstance(given, str):
            checked[name] = _checked_value(name, given, where, errors)
        elif len(given) > 1 and name.lower().startswith("list-"):
            errors.append(
                FieldError(where, "may be there only once (RFC 2369); put its URIs into one value, separated by commas")
            )
        else:
            checked[name] = tuple(_checked_value(name, v, f"{where}.{n}", errors) for n, v in enumerate(given))
    return checked


def _checked_value(name: str, text: str, where: str, errors: list[FieldError]) -> str:
    value = text.strip(" \t")
    if flaw := _value_flaw(name, value):
        errors.append(FieldError(where, flaw))
    return value


def _name_flaw(name: str, seen: set[str]) -> str | None:
    if not _NAME.fullmatch(name):
        return f"is not a header name; use 1 to {_LONGEST_NAME} letters, digits and hyphens"
    lower = name.lower()
    if lower in seen:
        return "is given twice, in different case; give it once"
    if lower in _ALLOWED:
        return None
    instead = _INSTEAD.get(lower) or _INSTEAD_OF_FAMILY.get(lower.partition("-")[0] if "-" in lower else "")
    return f"can't be set here: {instead}" if instead else None


def _folds(name: str, value: str) -> bool:
    """Whether the value can be folded at white space into lines of at most 998 octets (RFC 5322 section 2.2.3)."""
    return all(len(word) + len(name) + 3 <= MAX_FIELD_OCTETS for word in value.split())


def _value_flaw(name: str, value: str) -> str | None:
    if flaw := field_flaw(value, most=LONGEST_VALUE):
        return flaw
    if value.isascii() and len(value) > MAX_FIELD_OCTETS and not _folds(name, value):
        return f"has a line over {MAX_FIELD_OCTETS} octets that can't be folded; put white space where it may be broken"
    if name.lower().startswith("list-") and not value.isascii():
        return "must be ASCII; percent-encode other characters of a URI"
    return None
