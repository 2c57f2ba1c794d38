"""Recognises refusals of the number of recipients: mailsvc then sends fewer per transaction, and counts no attempt."""

import re
from collections.abc import Sequence

from mailsvc.domain.attempt import Reply
from mailsvc.mime.refusal_meaning import is_about_count

__all__ = ["is_cut", "is_too_many"]

_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")
_GREY = re.compile(r"gr[ea]y", re.IGNORECASE)
_TOO_MANY, _LATER, _PASSING = (452, 552), 452, 451
_ABOUT_ONE = re.compile(r"[45]\.[12]\.\d+")  # the recipient's address or mailbox


def is_too_many(reply: Reply, *, accepted: int) -> bool:
    """Whether to send to these recipients in another transaction.

    True for 452, and for 552, which many servers send for it, unless the reply is about the recipient alone. Only after
    the relay has accepted a recipient: otherwise the other transaction would end in the same way, again and again.
    """
    if accepted == 0:
        return False
    if reply.enhanced_code is None:
        return is_about_count(reply) or reply.code in _TOO_MANY
    about_one = _ABOUT_ONE.fullmatch(reply.enhanced_code) is not None
    return reply.enhanced_code[1:] == ".5.3" or is_about_count(reply) or (reply.code == _LATER and not about_one)


def is_cut(replies: Sequence[Reply]) -> bool:
    """Whether these replies, to all recipients from one on, mean a recipient limit.

    Some relays report the limit as a temporary error (451), with the same text for each recipient beyond it.
    """
    first = replies[0]
    alike = {(reply.code, reply.enhanced_code, _ADDRESS.sub("", reply.text)) for reply in replies}
    enhanced = first.enhanced_code or "4.3.0"
    return len(alike) == 1 and first.code == _PASSING and enhanced[1:3] in (".3", ".5") and not _GREY.search(first.text)
