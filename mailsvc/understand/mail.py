"""All that can be known of a mail by its bytes alone."""

from collections.abc import Sequence

import msgspec

from mailsvc.mime.arrived import ArrivedMail, read_mail_and_parts
from mailsvc.understand.automatic import is_automatic
from mailsvc.understand.clues import Clues, clues_of
from mailsvc.understand.replies import SplitReply, split_reply, whole_body
from mailsvc.understand.report import Report
from mailsvc.understand.reports import read_report

__all__ = ["UnderstoodMail", "understand"]


class UnderstoodMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail, what it reports, and its own words.

    Attributes:
        report: None if it reports nothing.
        is_automatic: a machine's answer (RFC 3834).
    """

    mail: ArrivedMail
    report: Report | None
    is_automatic: bool
    reply: SplitReply
    clues: Clues


def understand(raw: bytes, keys: Sequence[bytes]) -> UnderstoodMail:
    """Read a mail.

    Args:
        keys: that sign the tokens in addresses and envelope ids.
    """
    mail, root = read_mail_and_parts(raw)
    report = read_report(raw, mail, root)
    return UnderstoodMail(
        mail=mail,
        report=report,
        is_automatic=report is None and is_automatic(mail),
        reply=split_reply(mail) if report is None else whole_body(mail),
        clues=clues_of(mail, report, keys),
    )
