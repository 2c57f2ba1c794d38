"""Reads what an arrived mail reports about messages that were sent: failures, delays, receipts and complaints."""

from mailsvc.mime.arrived import ArrivedMail, read_mail
from mailsvc.mime.arrived.entities import Entity
from mailsvc.understand.report import Report
from mailsvc.understand.reports.dsn import read_dsn
from mailsvc.understand.reports.feedback import read_feedback
from mailsvc.understand.reports.material import Material
from mailsvc.understand.reports.notices import read_notice
from mailsvc.understand.reports.notices.sender import is_by_mail_system
from mailsvc.understand.reports.receipts import read_receipt
from mailsvc.understand.reports.ses import read_notification

__all__ = ["read_report"]

_READERS = (read_feedback, read_receipt, read_dsn, read_notification)


def read_report(raw: bytes, mail: ArrivedMail, root: Entity | None = None) -> Report | None:
    """Return what a mail reports, None if it reports nothing about messages. Never raises.

    Args:
        raw: the mail as it arrived.
        mail: what ``read_mail`` reads of it.
        root: its parts, if they are known already.
    """
    try:
        return _read(raw, mail, root)
    except Exception:  # noqa: BLE001 - a mail that shows a fault of ours must not stop those behind it
        return None


def _read(raw: bytes, mail: ArrivedMail, root: Entity | None = None) -> Report | None:
    material = Material(raw, mail, root)
    return _formal(material) or _inner(material) or read_notice(material)


def _formal(material: Material) -> Report | None:
    return next((report for read in _READERS if (report := read(material))), None)


def _inner(material: Material) -> Report | None:
    """Read the report that a mail system passes on inside a mail of its own, for instance to add a disclaimer."""
    inner = material.returned_mail
    if not inner or not is_by_mail_system(material):
        return None
    report = Material(inner, read_mail(inner))
    return _formal(report) or read_notice(report) if is_by_mail_system(report) else None
