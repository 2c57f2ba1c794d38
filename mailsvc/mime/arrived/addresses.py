"""Reads the addresses in a field of an arrived mail (RFC 5322 section 3.4), as far as they can be read. Never raises.

``mime.addresslist`` reads the same syntax strictly: it decides to whom mail is sent, this only what is shown and searched.
"""

import re
from collections.abc import Iterator
from itertools import islice

from mailsvc.domain.address import Mailbox, parse_mailbox
from mailsvc.domain.fieldtext import printable
from mailsvc.mime.arrived.words import decode_words

__all__ = ["MAX_ADDRESSES", "addresses_in", "mailboxes_in"]

MAX_ADDRESSES = 1000  # of one field

_MAX_ADDRESS = 320  # octets
# Separators inside quotes, angle brackets or encoded words don't count; writers forget to encode them there.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|=\?[^?\s]{1,80}\?[bBqQ]\?[^?\s]*\?=|\\.|[^"<=\\(,;:]+|.', re.DOTALL)
# One mailbox whose name has no special characters.
_USUAL = re.compile(r"([\w .&-]{0,100})(<[\w.+=-]{1,64}@[\w.-]{1,255}>)")
_COMMENT_TOKEN = re.compile(r"\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# What servers deliver to, whatever RFC 5321 says: two dots in a row, underscores in host names, hosts without a domain.
_SPEC = re.compile(r'([^\s@<>()",;:]+|"(?:[^"\\]|\\.)+")@(\[[0-9A-Fa-f:.IPVipv]+\]|[\w.-]+)')


def addresses_in(field: str) -> tuple[str, ...]:
    """Return the bare addresses of an unfolded From, To or Cc, or of what is shown of one; at most ``MAX_ADDRESSES``.

    A field must not have been decoded before: what an encoded word hides would become an address.
    """
    return tuple(mailbox.addr for mailbox in mailboxes_in(field))


def mailboxes_in(field: str, *, most: int = MAX_ADDRESSES) -> list[Mailbox]:
    """Return the mailboxes with decoded names, at most so many; what has no address is left out."""
    if usual := _USUAL.fullmatch(field):
        address, name = _address(usual[2][1:-1]), usual[1].strip()
        return [Mailbox(name or None, address.local, address.domain)] if address else []
    found = (mailbox for item in _items(field) if (mailbox := _mailbox(*item)))
    return list(islice(found, most))


def _items(field: str) -> Iterator[tuple[list[str], str]]:
    """Split at commas; yield the tokens of each item and its last comment."""
    tokens: list[str] = []
    comment, at, is_closed = "", 0, True
    while at < len(field):
        if field[at] == "(" and is_closed:
            end = _comment_end(field, at)
            is_closed = end > 0
            if is_closed:
                comment, at = field[at + 1 : end - 1], end
                continue
        match = _TOKEN.match(field, at)
        assert match is not None
        piece, at = match[0], match.end()
        if piece in (",", ";"):
            yield tokens, comment
            tokens, comment = [], ""
        elif piece == ":":
            tokens = []  # the name of a group
        else:
            tokens.append(piece)
    yield tokens, comment


def _comment_end(field: str, start: int) -> int:
    """Where the comment ends, 0 if it is never closed."""
    depth = 0
    for token in _COMMENT_TOKEN.finditer(field, start):
        depth += (token[0] == "(") - (token[0] == ")")
        if depth == 0:
            return token.end()
    return 0


def _mailbox(tokens: list[str], comment: str) -> Mailbox | None:
    enclosed = next((n for n in reversed(range(len(tokens))) if tokens[n].startswith("<") and "@" in tokens[n]), None)
    if enclosed is None:
        words = "".join(tokens).split()
        spec = next((word for word in reversed(words) if "@" in word), "")
        phrase = " ".join([word for word in words if word != spec])
    else:
        # A route before the address is obsolete (RFC 5322 section 4.4).
        spec = tokens[enclosed][1:-1].rpartition(":")[2]
        phrase = "".join([_unquoted(token) for token in tokens[:enclosed]])
    address = _address(spec.strip())
    name = printable(decode_words(phrase.strip() or comment)).strip(" \t\"'")
    return Mailbox(name if name and name != spec else None, address.local, address.domain) if address else None


def _unquoted(token: str) -> str:
    return _ESCAPED.sub(r"\1", token[1:-1]) if token.startswith('"') and len(token) > 1 else token


def _address(spec: str) -> Mailbox | None:
    match = _SPEC.fullmatch(spec) if len(spec) <= _MAX_ADDRESS and spec.isprintable() else None
    if match is None:
        return None
    try:
        return parse_mailbox(spec)
    except ValueError:
        return Mailbox(None, match[1], match[2].lower())
