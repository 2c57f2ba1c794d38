"""Reads delivery status notifications (RFC 3464, RFC 6533), also where their fields stand in an ordinary text."""

import re

from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports.diagnosis import Origin, diagnose, enhanced_code_in
from mailsvc.understand.reports.fields import Fields, StatusFields, address_in, name_in, status_fields
from mailsvc.understand.reports.material import Material
from mailsvc.understand.reports.returned import returned_ids

__all__ = ["read_dsn", "report_of"]

_TYPES = ("message/delivery-status", "message/global-delivery-status", "message/delivery-notification")
_IN_TEXT = re.compile(r"^(?:Final|Original)-Recipient:", re.MULTILINE | re.IGNORECASE)
_WITH = re.compile(r"^(?:Action|Status):", re.MULTILINE | re.IGNORECASE)

_KINDS = {
    "failed": ReportKind.BOUNCE,
    "delayed": ReportKind.DELAY,
    "delivered": ReportKind.RECEIPT,
    "relayed": ReportKind.RECEIPT,
    "expanded": ReportKind.RECEIPT,
}
_BY_CLASS = {"2": ReportKind.RECEIPT, "4": ReportKind.DELAY, "5": ReportKind.BOUNCE}
_DIAGNOSTIC_TYPE = re.compile(r"^[A-Za-z0-9-]{1,30}[ \t]*;[ \t]*")


def read_dsn(material: Material) -> Report | None:
    """Return what a delivery status reports; None if the mail has none."""
    leaf = material.leaf(*_TYPES)
    if leaf is not None:
        return report_of(status_fields(material.text_of(leaf)), material)
    return None


def report_of(fields: StatusFields, material: Material) -> Report | None:
    origin = name_in(fields.of_message.get("reporting-mta"))
    found = [_recipient(of_one, origin, material) for of_one in fields.of_recipients]
    recipients = {(one.recipient or "").lower(): one for one in reversed(found) if one}
    if not recipients:
        return None
    return Report(
        recipients=tuple(reversed(recipients.values())),
        envelope_id=fields.of_message.get("original-envelope-id") or None,
        message_ids=returned_ids(material, fields.of_message),
    )


def _recipient(fields: Fields, reporting_mta: str | None, material: Material) -> ReportedRecipient | None:
    final = address_in(fields.get("final-recipient"))
    original = address_in(fields.get("original-recipient"))
    recipient = final or original
    action = fields.get("action", "").split("(")[0].strip().lower().split(" ")[0]
    status = enhanced_code_in(fields.get("status"))
    kind = _KINDS.get(action) or _BY_CLASS.get((status or "5")[0])
    if recipient is None or kind is None:
        return None
    origin = Origin(source="dsn", remote_mta=name_in(fields.get("remote-mta")), reporting_mta=reporting_mta)
    words = _DIAGNOSTIC_TYPE.sub("", fields.get("diagnostic-code", ""))
    is_about_failure = kind in (ReportKind.BOUNCE, ReportKind.DELAY)
    return ReportedRecipient(
        kind=kind,
        recipient=recipient,
        original_recipient=original,
        action=action or None,
        diagnosis=diagnose(words, status, origin, context=material.text) if is_about_failure else None,
    )
