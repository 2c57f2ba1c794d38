"""Tells whether a mail system wrote a mail, and not a person who quotes or forwards a notice."""

import re

from mailsvc.understand.automatic_words import ANNOUNCED
from mailsvc.understand.reports.material import Material
from mailsvc.understand.reports.notices.phrases import FAILED_SUBJECT, lowered

__all__ = ["is_by_mail_system", "may_be_notice"]

_DAEMON = re.compile(
    r"mailer[-_ ]?daemon|mail[-_ ]?daemon|post[-_]?master|mdaemon|\bdaemon\b|mail[. _-]?deliver|delivery[. _-]?(?:sub)?system|mail[. _-]?(?:system|administrator|router|gateway)"
    r"|system administrator|system attendant|(?:inter)?scan|imss?@|microsoft outlook|microsoft exchange|exchange@|bounces?@|ndr@|non-?delivery|mail ?enable|symantec|barracuda|noreply@.*\b(?:sns|ses)\b",
    re.IGNORECASE,
)
# What mail systems send besides notices: lists of other people's mails.
_DIGEST = re.compile(
    r"quarantine|quarantäne|\bdigest\b|\bsummary\b|report domain:|spam report|statistic", re.IGNORECASE
)
_FORWARDED = re.compile(
    r"(?:fwd?|wg|tr|rv|enc|i|doorst|vs|vl|vb|fs|пересл|转发|轉寄|転送)\s?(?:\[\d+\])?\s?[:：]", re.IGNORECASE
)
_ANSWERED = re.compile(r"(?:re|aw|sv|antw|ref|odp|ynt|回复|答复)\s?(?:\[\d+\])?\s?[:：]", re.IGNORECASE)


def may_be_notice(material: Material) -> bool:
    """Whether it is worth looking at the text: most mails are not."""
    subject = material.mail.subject or ""
    if ANNOUNCED.match(subject) or _DIGEST.search(subject):
        return False
    if is_by_mail_system(material):
        return True
    return bool(FAILED_SUBJECT.search(lowered(subject))) and not (_FORWARDED.match(subject) or _ANSWERED.match(subject))


def is_by_mail_system(material: Material) -> bool:
    """Whether the sender is a mail system: by its name, the null return path, or the fields that only they write."""
    header = material.header
    null_path = _has_null_path(header.get("return-path", ""))
    if _FORWARDED.match(material.mail.subject or "") and not null_path:
        return False
    return bool(
        "x-failed-recipients" in header
        or header.get("from", "").strip() == "<>"
        # A vacation note has a null return path, too, and a person's address in From.
        or (null_path and FAILED_SUBJECT.search(lowered(material.mail.subject or "")))
        or _DAEMON.search(material.mail.from_ or header.get("from", "") or "")
        or _is_report(material)
    )


def _is_report(material: Material) -> bool:
    """Whether it is declared to be a delivery report; those of TLS and of read mails say so by another type."""
    declared = material.root.parameters.get("report-type", "").lower()
    return declared == "delivery-status" or (material.root.media_type == "multipart/report" and not declared)


def _has_null_path(value: str) -> bool:
    return value.strip() == "<>" or "mailer-daemon" in value.lower()
