"""Reads what an arrived mail reports about messages that were sent: failures, delays, receipts and complaints."""

from mailsvc.mime.arrived import ArrivedMail
from mailsvc.understand.report import Report
from mailsvc.understand.reports.dsn import read_dsn
from mailsvc.understand.reports.feedback import read_feedback
from mailsvc.understand.reports.material import Material
from mailsvc.understand.reports.receipts import read_receipt

__all__ = ["read_report"]

_READERS = (read_feedback, read_receipt, read_dsn)


def read_report(raw: bytes, mail: ArrivedMail) -> Report | None:
    """Return what a mail reports, None if it reports nothing about messages. Never raises.

    Args:
        raw: the mail as it arrived.
        mail: what ``read_mail`` reads of it.
    """
    try:
        return _read(raw, mail)
    except Exception:  # noqa: BLE001 - a mail that shows a fault of ours must not stop those behind it
        return None


def _read(raw: bytes, mail: ArrivedMail) -> Report | None:
    material = Material(raw, mail)
    for read in _READERS:
        if report := read(material):
            return report
    return None
