"""Finds the header of a mail that is repeated above its text: From, Sent, To, Subject, in any language."""

import re

from mailsvc.understand.replies.header_labels import LABELS
from mailsvc.understand.replies.lines import Body

__all__ = ["header_block_end", "may_begin_header_block"]

_MAX_LINES = 40  # of a block; lists of recipients are wrapped
_MAX_LABEL = 30
_MAX_CONTINUATION = 8
_VALUE = re.compile(r"@|\d\d?[:.]\d\d|\b(?:19|20)\d\d\b|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")
_MARKS = " \t*_<>|-[]"


def may_begin_header_block(plain: str) -> bool:
    """Whether the line begins with a label that such a header begins with."""
    return _role(plain) in ("from", "sent", "subject", "to")


def header_block_end(body: Body, start: int, *, is_announced: bool) -> int | None:
    """Return the index behind the block that begins in this line, None if it is none.

    Args:
        is_announced: a rule or an "Original message" stands above, so that less has to be said.
    """
    roles: set[str] = set()
    values, end, last = 0, start, start
    for index in range(start, min(len(body), start + _MAX_LINES)):
        plain = body.plain[index]
        role = _role(plain)
        if role is None:
            if not _continues(body, index, last, roles):
                break
            continue
        roles.add(role)
        values += bool(_VALUE.search(plain))
        end = last = index + 1
    return end if _is_block(roles, values, is_announced=is_announced) else None


def _continues(body: Body, index: int, last: int, roles: set[str]) -> bool:
    """Whether a line without a label may stand within the block: one that is wrapped, or one blank line."""
    if index - last >= _MAX_CONTINUATION or not roles:
        return False
    if body.plain[index]:
        return bool(body.plain[index - 1]) or "subject" not in roles
    following = body.next_filled(index)
    return following - index <= 2 and following < len(body) and _role(body.plain[following]) is not None


def _is_block(roles: set[str], values: int, *, is_announced: bool) -> bool:
    if "from" not in roles:
        return is_announced and len(roles) >= 2 and "subject" in roles
    if len(roles) >= 3:
        return values > 0 or is_announced or len(roles) >= 4
    return len(roles) >= 2 and (is_announced or values >= 2)


def _role(plain: str) -> str | None:
    """The role of the label that the line begins with."""
    head = plain[: _MAX_LABEL + 8].replace("：", ":")
    label, colon, _ = head.partition(":")
    if not colon:
        return None
    return LABELS.get(label.strip(_MARKS).lower())
