"""Reads complaints: abuse reports (RFC 5965), and the habits of providers that send something like them.

Many providers hide the complainer's address. Then the report has no recipient, and it is matched by what it says of the
message: its return path, its Message-ID or its Feedback-ID.
"""

import re

from mailsvc.mime.arrived import addresses_in
from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports.fields import address_in
from mailsvc.understand.reports.material import Header, Material
from mailsvc.understand.reports.returned import returned_ids

__all__ = ["read_feedback"]

_TYPE = "message/feedback-report"
_MOST = 100  # values of one field
_NO_COMPLAINT = frozenset({"not-spam"})  # RFC 6430: the recipient wants the message


def _field(names: str) -> re.Pattern[str]:
    return re.compile(rf"^(?:{names})[ \t]*:[ \t]*(\S[^\n]{{0,998}})", re.MULTILINE | re.IGNORECASE)


_TYPE_FIELD = re.compile(r"^Feedback-Type[ \t]*:[ \t]*([a-z-]{1,40})", re.MULTILINE | re.IGNORECASE)
_BEGINS = re.compile(
    r"\s{0,20}(?:Feedback-Type|User-Agent|Version|Abuse-Type|Source-IP|Reported-Domain)[ \t]*:", re.IGNORECASE
)
_MAX_TEXTS = 10
_RECIPIENT_FIELD = _field("Original-Rcpt-To|Removal-Recipient|Original-Recipient|Redacted-Address-Original")
_SENDER_FIELD = _field("Original-Mail-From")
_ENVELOPE_ID = _field("Original-Envelope-Id")
_FEEDBACK_ID = _field("Feedback-ID|Source-Feedback-ID")
_RETURN_PATHS = ("return-path", "x-envelope-from", "x-original-return-path", "errors-to", "x-sid-pra")
_DSN_TYPE = re.compile(r"^ *(rfc822|utf-8) *;", re.IGNORECASE)
_TRACE = re.compile(r"\bfor <([^<>\s]{1,254}@[^<>\s]{1,255})>")

# Microsoft's Junk Mail Reporting Program returns the message alone, its recipient in a field of its own.
_JMRP_RECIPIENT = "x-hmxmroriginalrecipient"
_JMRP_SUBJECT = re.compile(r"complaint about message from|^junk|\bJMRP\b", re.IGNORECASE)

_REDACTED = re.compile(
    r"redact|undisclosed|\*{2,}|^x{4,}@|^[0-9a-f]{32,}@|hidden@|removed@|obfuscated|@\[?redacted", re.IGNORECASE
)


def read_feedback(material: Material) -> Report | None:
    """Return the complaint of a mail; None if it is none."""
    leaf = material.leaf(_TYPE)
    if leaf is not None:
        return _report(material.text_of(leaf), material)
    if _JMRP_RECIPIENT in material.returned and _is_jmrp(material):
        return _report("Feedback-Type: abuse", material)
    if material.root.parameters.get("report-type", "").lower() == "feedback-report":
        return _report(material.text, material)
    fields = _in_text(material) if material.returned else None
    return _report(fields, material) if fields else None


def _in_text(material: Material) -> str | None:
    """Return the fields of a report whose part lost its type: a text that begins with them, beside the returned message."""
    texts = (material.text_of(leaf) for leaf in material.leaves[:_MAX_TEXTS] if leaf.media_type == "text/plain")
    return next((text for text in texts if _BEGINS.match(text) and _TYPE_FIELD.search(text)), None)


def _is_jmrp(material: Material) -> bool:
    return _JMRP_SUBJECT.search(material.mail.subject or "") is not None


def _report(fields: str, material: Material) -> Report | None:
    """Return what the fields of a feedback report say; they may stand among other text."""
    found = _TYPE_FIELD.search(fields)
    feedback_type = found[1].lower() if found else "abuse"
    if feedback_type in _NO_COMPLAINT:
        return None
    recipients = _recipients(fields, material.returned) or (None,)
    return Report(
        recipients=tuple(
            ReportedRecipient(kind=ReportKind.COMPLAINT, recipient=recipient, action=feedback_type)
            for recipient in recipients
        ),
        envelope_id=next(iter(_values(_ENVELOPE_ID, fields)), None),
        message_ids=returned_ids(material),
        feedback_senders=_senders(fields, material.returned),
        feedback_id=material.returned.get("feedback-id") or next(iter(_values(_FEEDBACK_ID, fields)), None),
    )


def _recipients(fields: str, returned: Header) -> tuple[str, ...]:
    """Return who complained, empty where that is redacted: as the report says, else as the returned message does."""
    sources = [_values(_RECIPIENT_FIELD, fields)]
    sources += [[returned.get(name, "")] for name in (_JMRP_RECIPIENT, "to")]
    for source in sources:
        found = [address for value in source for address in addresses_in(_DSN_TYPE.sub("", value))]
        found = [address for address in found if not _REDACTED.search(address)]
        if found and (len(found) == 1 or source is sources[0]):
            return tuple(dict.fromkeys(found))[:_MOST]
    return tuple(
        address for address in _TRACE.findall(returned.get("received", ""))[:1] if not _REDACTED.search(address)
    )


def _senders(fields: str, returned: Header) -> tuple[str, ...]:
    found = [*_values(_SENDER_FIELD, fields), *(returned.get(name, "") for name in _RETURN_PATHS)]
    return tuple(dict.fromkeys(address for value in found if "@" in (address := address_in(value) or "")))


def _values(pattern: re.Pattern[str], fields: str) -> list[str]:
    return pattern.findall(fields)[:_MOST]
