"""Reads read receipts: message disposition notifications (RFC 8098)."""

import re

from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports.diagnosis import Context, Origin, diagnose
from mailsvc.understand.reports.fields import Fields, address_in, status_fields
from mailsvc.understand.reports.material import Material
from mailsvc.understand.reports.returned import returned_ids

__all__ = ["read_receipt"]

_REFUSED = re.compile(r"automatically rejected|was (?:rejected|refused) by", re.IGNORECASE)


def read_receipt(material: Material) -> Report | None:
    """Return what a disposition notification reports; None if the mail is none."""
    leaf = material.leaf("message/disposition-notification", "message/global-disposition-notification")
    if leaf is None:
        return None
    groups = status_fields(material.text_of(leaf))
    fields = groups.of_message | (groups.of_recipients[0] if groups.of_recipients else {})
    return Report(
        recipients=(_recipient(fields, material.text),),
        envelope_id=fields.get("original-envelope-id") or None,
        message_ids=returned_ids(material, {"x-original-message-id": fields.get("original-message-id", "")}),
    )


def _recipient(fields: Fields, text: str) -> ReportedRecipient:
    original = address_in(fields.get("original-recipient"))
    # Mail filters refuse a message in this form, after its delivery (RFC 5429 section 2.1.2).
    is_refused = _REFUSED.search(text) is not None
    return ReportedRecipient(
        kind=ReportKind.BOUNCE if is_refused else ReportKind.RECEIPT,
        recipient=address_in(fields.get("final-recipient")) or original,
        original_recipient=original,
        action="failed" if is_refused else _disposition(fields),
        diagnosis=diagnose(text, None, Origin(source="dsn"), Context()) if is_refused else None,
    )


def _disposition(fields: Fields) -> str:
    """Return the type of ``manual-action/MDN-sent-manually; displayed`` (RFC 8098 section 3.2.6)."""
    last = fields.get("disposition", "").rpartition(";")[2].split("/")[0].strip().lower()
    return last[:40] or "displayed"
