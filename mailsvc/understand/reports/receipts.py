"""Reads read receipts: message disposition notifications (RFC 8098)."""

from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports.fields import Fields, address_in, status_fields
from mailsvc.understand.reports.material import Material
from mailsvc.understand.reports.returned import returned_ids

__all__ = ["read_receipt"]


def read_receipt(material: Material) -> Report | None:
    """Return what a disposition notification reports; None if the mail is none."""
    leaf = material.leaf("message/disposition-notification", "message/global-disposition-notification")
    if leaf is None:
        return None
    groups = status_fields(material.text_of(leaf))
    fields = groups.of_message | (groups.of_recipients[0] if groups.of_recipients else {})
    return Report(
        recipients=(
            ReportedRecipient(
                kind=ReportKind.RECEIPT,
                recipient=address_in(fields.get("final-recipient")) or address_in(fields.get("original-recipient")),
                original_recipient=address_in(fields.get("original-recipient")),
                action=_disposition(fields),
            ),
        ),
        envelope_id=fields.get("original-envelope-id") or None,
        message_ids=returned_ids(material, {"x-original-message-id": fields.get("original-message-id", "")}),
    )


def _disposition(fields: Fields) -> str:
    """Return the type of ``manual-action/MDN-sent-manually; displayed`` (RFC 8098 section 3.2.6)."""
    last = fields.get("disposition", "").rpartition(";")[2].split("/")[0].strip().lower()
    return last[:40] or "displayed"
