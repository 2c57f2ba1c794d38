"""Parses the addresses in a header field of raw mail: lists, groups and comments (RFC 5322 section 3.4)."""

import re

from mailsvc.domain.address import Mailbox, parse_mailbox
from mailsvc.domain.fieldtext import decode_words, printable

__all__ = ["mailboxes_of"]

# One token at a time, so that separators inside quotes, comments or angle brackets don't count.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|\\.|.', re.DOTALL)
_COMMENT_TOKEN = re.compile(r"\\.|[()]", re.DOTALL)


def mailboxes_of(value: str) -> list[Mailbox]:
    """Return the mailboxes of an unfolded field value, with decoded display names.

    Raises:
        ValueError: one of them is no address; the message says which one, and what to fix.
    """
    return [_read(item) for item in _items(value)]


def _read(item: str) -> Mailbox:
    try:
        if "=?" not in item:
            return parse_mailbox(item)
        phrase, bracket, rest = item.rpartition("<")
        # Decoded after the address was separated: the content of an encoded word can't become part of it.
        mailbox = parse_mailbox(bracket + rest)
    except ValueError as error:
        raise ValueError(f"{item[:80]!r} {error}") from error
    return Mailbox(printable(decode_words(phrase)).strip(' "') or None, mailbox.local, mailbox.domain)


def _items(value: str) -> list[str]:
    items, item = [], ""
    position = 0
    while position < len(value):
        if value[position] == "(":
            position = _after_comment(value, position)
            continue
        match = _TOKEN.match(value, position)
        piece = match[0] if match else value[position]
        position += len(piece)
        if piece in ",;":
            items.append(item)
            item = ""
        elif piece == ":":
            item = ""  # the name of a group
        else:
            item += piece
    return [stripped for piece in [*items, item] if (stripped := piece.strip())]


def _after_comment(value: str, start: int) -> int:
    depth = 0
    for piece in _COMMENT_TOKEN.finditer(value, start):
        depth += (piece[0] == "(") - (piece[0] == ")")
        if depth == 0:
            return piece.end()
    raise ValueError("has a comment that is never closed; close its parenthesis")
