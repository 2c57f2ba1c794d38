"""Finds the header of a mail that is repeated above its text: From, Sent, To, Subject, in any language."""

import re

from mailsvc.understand.replies.forms.headers import LABELS
from mailsvc.understand.replies.lines import Body

__all__ = ["header_block_end", "is_header_line", "may_begin_header_block"]

_MAX_LINES = 40  # of a block; lists of recipients are wrapped
_MAX_CONTINUATION = 8  # lines of one value
_MAX_LABEL = 40  # characters, marks included
_TIME_OR_DAY = re.compile(r"\d\d?[:.]\d\d|\b(?:19|20)\d\d\b|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")
_INNER_LABEL = re.compile(r"(?<!\S)\*?((?:[^\W\d_]{1,15} )?([^\W\d_]{1,15}))\*? ?[:：]")
_MARKS = " \t*_<>|-[]"


def may_begin_header_block(plain: str) -> bool:
    """Whether the line begins with a label that such a header begins with."""
    return _role(plain) in ("from", "sent", "subject", "to")


def is_header_line(plain: str) -> bool:
    """Whether a program made one line of such a header: "From: Anna Sent: Monday To: Bo Subject: A question"."""
    roles = {LABELS.get(match[1].lower()) or LABELS.get(match[2].lower()) for match in _INNER_LABEL.finditer(plain)}
    return _role(plain) == "from" and "subject" in roles and len(roles & {"sent", "to"}) > 0


def header_block_end(body: Body, start: int, *, is_announced: bool) -> int | None:
    """Return the index behind the block that begins in this line, None if it is none.

    Args:
        is_announced: a rule stands above, so that less has to be said.
    """
    roles: dict[str, str] = {}
    end = start
    for index in range(start, min(len(body), start + _MAX_LINES)):
        role = _role(body.plain[index])
        if role is not None:
            roles[role] = roles.get(role, "") + body.plain[index]
            end = index + 1
        elif not _continues(body, index, end, roles):
            break
    return end if _is_block(roles, is_announced=is_announced) else None


def _continues(body: Body, index: int, end: int, roles: dict[str, str]) -> bool:
    """Whether a line without a label may stand within the block: one that is wrapped, or one blank line."""
    if index - end >= _MAX_CONTINUATION:
        return False
    if body.plain[index]:
        return bool(body.plain[index - 1]) or "subject" not in roles
    following = body.next_filled(index)
    return following - index <= 2 and following < len(body) and _role(body.plain[following]) is not None


def _is_block(roles: dict[str, str], *, is_announced: bool) -> bool:
    """Whether these labels make a header. A journey, too, has From, To and Date: it takes a subject or an address."""
    if "from" not in roles or len(roles) < 2:
        return is_announced and len(roles) >= 2 and "subject" in roles
    has_date = _TIME_OR_DAY.search(roles.get("sent", "")) is not None
    has_address = any("@" in roles.get(role, "") for role in ("from", "to", "cc"))
    if len(roles) >= 3:
        return is_announced or "subject" in roles or has_address
    return (is_announced and (has_date or has_address)) or (has_address and (has_date or "subject" in roles))


def _role(plain: str) -> str | None:
    """The role of the label that the line begins with."""
    label, colon, _ = plain[:_MAX_LABEL].replace("：", ":").partition(":")
    return LABELS.get(label.strip(_MARKS).lower()) if colon else None
