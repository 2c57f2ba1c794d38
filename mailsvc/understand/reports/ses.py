"""Reads the notifications that Amazon SES sends by SNS as JSON in a mail."""

import re
from typing import Annotated

import msgspec

from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports.diagnosis import Context, Origin, diagnose, enhanced_code_in
from mailsvc.understand.reports.fields import name_in
from mailsvc.understand.reports.material import Material

__all__ = ["read_notification"]

# Relays break lines over 998 octets with an exclamation mark.
_BROKEN = re.compile(r"!?\r?\n ?")
_AT_MOST = msgspec.Meta(max_length=1000)


class _Recipient(msgspec.Struct, rename="camel"):
    email_address: str
    action: str | None = None
    status: str | None = None
    diagnostic_code: str | None = None


class _Bounce(msgspec.Struct, rename="camel"):
    bounced_recipients: Annotated[list[_Recipient], _AT_MOST]
    reporting_mta: str | None = msgspec.field(default=None, name="reportingMTA")


class _Complaint(msgspec.Struct, rename="camel"):
    complained_recipients: Annotated[list[_Recipient], _AT_MOST]
    complaint_feedback_type: str | None = None


class _Delivery(msgspec.Struct, rename="camel"):
    recipients: Annotated[list[str], _AT_MOST]


class _Header(msgspec.Struct):
    name: str
    value: str


class _Mail(msgspec.Struct, rename="camel"):
    message_id: str = ""
    headers: list[_Header] = []


class _Notification(msgspec.Struct, rename="camel"):
    mail: _Mail
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _Delivery | None = None


def read_notification(material: Material) -> Report | None:
    """Return what a notification reports; None if the mail is none."""
    if "x-amz-sns-message-id" not in material.header:
        return None
    try:
        said = msgspec.json.decode(_document(material.text), type=_Notification)
    except msgspec.MsgspecError:
        return None
    recipients = tuple(_recipients(said))
    return Report(recipients=recipients, message_ids=_message_ids(said.mail)) if recipients else None


def _document(text: str) -> str:
    text = text.lstrip()
    end = text.rfind("}") + 1
    return _BROKEN.sub("", text[:end])


def _recipients(said: _Notification) -> list[ReportedRecipient]:
    if said.bounce:
        return [_bounced(one, said.bounce) for one in said.bounce.bounced_recipients]
    if said.complaint:
        kind, action = ReportKind.COMPLAINT, said.complaint.complaint_feedback_type or "abuse"
        found = [one.email_address for one in said.complaint.complained_recipients]
    else:
        kind, action = ReportKind.RECEIPT, "delivered"
        found = said.delivery.recipients if said.delivery else []
    return [ReportedRecipient(kind=kind, recipient=address, action=action) for address in found]


def _bounced(one: _Recipient, bounce: _Bounce) -> ReportedRecipient:
    origin = Origin(source="dsn", reporting_mta=name_in(bounce.reporting_mta))
    words = (one.diagnostic_code or "").partition(";")[2] or one.diagnostic_code or ""
    return ReportedRecipient(
        kind=ReportKind.BOUNCE,
        recipient=one.email_address,
        action=one.action or "failed",
        diagnosis=diagnose(words, enhanced_code_in(one.status), origin, Context()),
    )


def _message_ids(mail: _Mail) -> tuple[str, ...]:
    """Return the identifiers that we gave and those that SES made of its own one (``<id@email.amazonses.com>``)."""
    own = [header.value.strip() for header in mail.headers if header.name.lower() == "message-id"]
    return (*own, *([f"<{mail.message_id}@email.amazonses.com>"] if mail.message_id else []))
