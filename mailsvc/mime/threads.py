"""Conversations: the Message-IDs that an answer refers to (RFC 5322 section 3.6.4)."""

import re

__all__ = ["references_of_answer"]

MOST = 20  # identifiers; the first ones identify the conversation, the last ones the position of the answer in it

_FOLD = re.compile(rb"\r\n[ \t]+")
_IDENTIFIER = re.compile(rb"<[!-;=?-~]{1,250}>")


def references_of_answer(parent: bytes, message_id: str) -> tuple[str, ...]:
    """Return the References of an answer to the message with this beginning and this Message-ID."""
    header = _FOLD.sub(b" ", parent.partition(b"\r\n\r\n")[0])
    known = _identifiers(header, b"references") or _identifiers(header, b"in-reply-to")[:1]
    older = list(dict.fromkeys(id_ for id_ in known if id_ != message_id))
    if len(older) >= MOST:
        older = older[:1] + older[2 - MOST :]
    return (*older, message_id)


def _identifiers(header: bytes, name: bytes) -> list[str]:
    for line in header.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.rstrip(b" \t").lower() == name:
            # No encoded word: lenient readers decode it even here, and it could hide a line break.
            return [found.decode("ascii") for found in _IDENTIFIER.findall(value) if b"=?" not in found]
    return []
