"""Reads notices of failure and delay that are no report of RFC 3464: texts for people, in many forms and languages."""

import re

from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports.diagnosis import Context, Origin, diagnose
from mailsvc.understand.reports.material import Material, header_of
from mailsvc.understand.reports.notices.cut import returned_header, split_notice
from mailsvc.understand.reports.notices.find import find_recipients, words_about
from mailsvc.understand.reports.notices.phrases import DELAYED, FAILED, FAILED_SUBJECT, FINAL, lowered
from mailsvc.understand.reports.notices.sender import may_be_notice
from mailsvc.understand.reports.notices.words import ALIAS, spoken
from mailsvc.understand.reports.returned import identifiers_of, returned_ids

__all__ = ["read_notice", "words_about"]

_RETURNED = re.compile(r"returned (?:mail|message)|undeliver|failure", re.IGNORECASE)
_TRANSCRIPT = "Transcript of session follows"


def read_notice(material: Material) -> Report | None:
    """Return what a notice reports; None if the mail is none."""
    if not may_be_notice(material):
        return None
    notice, rest = split_notice(material.text)
    subject = material.mail.subject or ""
    if not (FAILED.search(lowered(notice)) or FAILED_SUBJECT.search(lowered(subject))):
        return None
    returned = material.returned or header_of(returned_header(rest))
    found = find_recipients(material, notice, returned)
    if not found:
        return None
    context = Context(notice.partition(_TRANSCRIPT)[2] or notice, recipients=len(found))
    kind = ReportKind.DELAY if _is_delay(notice, subject) else ReportKind.BOUNCE
    return Report(
        recipients=tuple(_recipient(kind, address, words, context) for address, words in found),
        message_ids=tuple(dict.fromkeys([*identifiers_of(returned), *returned_ids(material)])),
    )


def _is_delay(notice: str, subject: str) -> bool:
    if _RETURNED.search(subject):
        return False
    said = lowered(f"{subject}\n{notice}")
    return bool(DELAYED.search(said)) and not FINAL.search(said)


def _recipient(kind: ReportKind, address: str, words: str, context: Context) -> ReportedRecipient:
    alias = ALIAS.search(words)
    return ReportedRecipient(
        kind=kind,
        recipient=address,
        original_recipient=alias[1] if alias else None,
        action="delayed" if kind is ReportKind.DELAY else "failed",
        diagnosis=diagnose(spoken(words), None, Origin(source="heuristic"), context),
    )
