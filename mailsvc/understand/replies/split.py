"""Splits the body of a mail into the words that its sender wrote now, what is quoted, and the signature."""

import re

import msgspec

from mailsvc.mime.arrived import ArrivedMail
from mailsvc.understand.replies.lines import Body, Label
from mailsvc.understand.replies.quotations import mark_quotations
from mailsvc.understand.replies.signatures import mark_signatures

__all__ = ["SplitReply", "split_reply"]

_FORWARD_PREFIX = re.compile(
    r"\s{0,9}(?:\[[^\]]{1,40}\]\s{0,9})?(?:fwd?|fw|wg|tr|rv|enc|i|inoltro|vs|vb|pd|doorst|videresendt|rif|továbbítás|ilt|ynt|پاسخ|转发|轉寄|轉發|転送|전달|hb|הועבר|eth|προώθηση|πρθ)"
    r"\s{0,3}[:：]",
    re.IGNORECASE,
)


class SplitReply(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a mail in parts (public contract: the fields of an arrival, and of ``message.replied``)."""

    text: str  # what the sender wrote now
    quoted: str | None = None  # everything quoted or passed on, with the lines that name its authors
    signature: str | None = None
    html: str | None = None  # the whole HTML, sanitised
    forwarded: bool = False  # the mail passes another one on


def split_reply(mail: ArrivedMail) -> SplitReply:
    """Return the parts of a mail's body. Pure; the time is linear in its length."""
    body = Body.of_text(mail.text or "")
    quotations = mark_quotations(body)
    mark_signatures(body, sender=_display_name(mail.from_))
    is_passed_on = quotations.has_header and _FORWARD_PREFIX.match(mail.subject or "") is not None
    return SplitReply(
        text=body.joined(Label.NEW),
        quoted=body.joined(Label.QUOTED) or None,
        signature=body.joined(Label.SIGNATURE) or None,
        html=mail.html,
        forwarded=quotations.is_forward or is_passed_on,
    )


def _display_name(author: str | None) -> str:
    name = (author or "").partition("<")[0].strip(" \"'").lower()
    return name if len(name) >= 3 and "@" not in name else ""
