"""Reads delivery status notifications (RFC 3464, RFC 6533), also where their fields stand in an ordinary text."""

import re
from functools import cached_property

from mailsvc.mime.arrived import addresses_in
from mailsvc.understand.report import Report, ReportedRecipient, ReportKind
from mailsvc.understand.reports.diagnosis import Context, Origin, diagnose, enhanced_code_in
from mailsvc.understand.reports.fields import Fields, address_in, name_in, status_fields
from mailsvc.understand.reports.material import Material
from mailsvc.understand.reports.notices import words_about
from mailsvc.understand.reports.notices.cut import split_notice
from mailsvc.understand.reports.notices.sender import is_by_mail_system, may_be_notice
from mailsvc.understand.reports.returned import returned_ids

__all__ = ["read_dsn"]

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
_MAX_TEXTS = 20
_MAX_STATUS = 512 * 1024  # characters: a thousand recipients, each with the words of a server
_BY_CLASS = {"2": ReportKind.RECEIPT, "4": ReportKind.DELAY, "5": ReportKind.BOUNCE}
_WORD = re.compile(r"[^\W\d_]{3}")
_DIAGNOSTIC_TYPE = re.compile(r"^[A-Za-z0-9-]{1,30}[ \t]*;[ \t]*")


class _Notice:
    """What the text for people and the header say, beside the fields; read once if it is needed."""

    def __init__(self, material: Material, recipients: int) -> None:
        self._material = material
        self._recipients = recipients

    @cached_property
    def _text(self) -> str:
        return split_notice(self._material.text.partition("\nReporting-MTA:")[0])[0]

    @cached_property
    def context(self) -> Context:
        return Context(self._text, recipients=self._recipients)

    @cached_property
    def words(self) -> dict[str, str]:
        return words_about(self._text)

    @cached_property
    def named(self) -> str | None:
        """The one recipient that the header names, where the fields name a file or a local user."""
        named = addresses_in(self._material.header.get("x-failed-recipients", ""))
        return named[0] if len(named) == 1 else None


def read_dsn(material: Material) -> Report | None:
    """Return what a delivery status reports; None if the mail has none."""
    leaf = material.leaf(*_TYPES)
    # A person who forwards or quotes a report is no mail system.
    if leaf is not None and may_be_notice(material):
        return _report(material.text_of(leaf, most=_MAX_STATUS), material)
    if not is_by_mail_system(material):
        return None
    # Its part may have lost its type.
    texts = (material.text_of(leaf) for leaf in material.leaves[:_MAX_TEXTS] if leaf.media_type == "text/plain")
    found = next((text for text in texts if _IN_TEXT.search(text) and _WITH.search(text)), None)
    return _report(found, material) if found else None


def _report(text: str, material: Material) -> Report | None:
    fields = status_fields(text)
    notice = _Notice(material, len(fields.of_recipients))
    origin = name_in(fields.of_message.get("reporting-mta"))
    found = [_recipient(of_one, origin, notice) for of_one in fields.of_recipients]
    recipients = {(one.recipient or "").lower(): one for one in reversed(found) if one}
    if not recipients:
        return None
    return Report(
        recipients=tuple(reversed(recipients.values())),
        envelope_id=fields.of_message.get("original-envelope-id") or None,
        message_ids=returned_ids(material, fields.of_message),
    )


def _recipient(fields: Fields, reporting_mta: str | None, notice: _Notice) -> ReportedRecipient | None:
    final = address_in(fields.get("final-recipient"))
    original = address_in(fields.get("original-recipient"))
    recipient = final or original
    if recipient and "@" not in recipient:
        recipient = notice.named or recipient
    action = fields.get("action", "").split("(")[0].strip().lower().split(" ")[0]
    status = enhanced_code_in(fields.get("status"))
    kind = _KINDS.get(action) or _BY_CLASS.get((status or "5")[0])
    if recipient is None or kind is None:
        return None
    origin = Origin(source="dsn", remote_mta=name_in(fields.get("remote-mta")), reporting_mta=reporting_mta)
    words = _DIAGNOSTIC_TYPE.sub("", fields.get("diagnostic-code", ""))
    if not _WORD.search(words):
        words = notice.words.get(recipient.lower(), "")
    is_about_failure = kind in (ReportKind.BOUNCE, ReportKind.DELAY)
    return ReportedRecipient(
        kind=kind,
        recipient=recipient,
        original_recipient=original,
        action=action or None,
        diagnosis=diagnose(words, status, origin, notice.context) if is_about_failure else None,
    )
