"""Splits the body of a mail into the words that its sender wrote now, what is quoted, and the signature."""

import msgspec

from mailsvc.mime.arrived import ArrivedMail
from mailsvc.understand.replies.dividers import has_forward_subject
from mailsvc.understand.replies.lines import Body, Label
from mailsvc.understand.replies.markup import safe_html
from mailsvc.understand.replies.quotations import Quotations, mark_quotations
from mailsvc.understand.replies.signatures import mark_signatures

__all__ = ["SplitReply", "split_reply", "whole_body"]


class SplitReply(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a mail in parts (public contract: the fields of an arrival, and of ``message.replied``)."""

    text: str  # what the sender wrote now
    quoted: str | None = None  # everything quoted or passed on, with the lines that name its authors
    signature: str | None = None
    html: str | None = None  # the whole HTML, sanitised
    forwarded: bool = False  # the mail passes another one on


def split_reply(mail: ArrivedMail) -> SplitReply:
    """Return the parts of a mail's body. Pure; the time is linear in its length."""
    body = Body.of_html(mail.html) if mail.is_text_of_html and mail.html else Body.of_text(mail.text or "")
    quotations = mark_quotations(body)
    mark_signatures(body, sender=_display_name(mail.from_))
    return SplitReply(
        text=body.joined(Label.NEW),
        quoted=body.joined(Label.QUOTED) or None,
        signature=body.joined(Label.SIGNATURE) or None,
        html=None if mail.html is None else safe_html(mail.html),
        forwarded=_is_forward(mail, quotations),
    )


def whole_body(mail: ArrivedMail) -> SplitReply:
    """Return the body of a mail that nobody wrote, such as a report, in one part."""
    return SplitReply(text=(mail.text or "").strip(), html=None if mail.html is None else safe_html(mail.html))


def _is_forward(mail: ArrivedMail, quotations: Quotations) -> bool:
    has_mail = any(attachment.content_type == "message/rfc822" for attachment in mail.attachments)
    return quotations.is_forward or ((quotations.has_header or has_mail) and has_forward_subject(mail.subject))


def _display_name(author: str | None) -> str:
    name = (author or "").partition("<")[0].strip(" \"'").lower()
    return name if len(name) >= 3 and "@" not in name else ""
