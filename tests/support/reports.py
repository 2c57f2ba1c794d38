"""Reports about messages as they arrive, for the tests of their readers."""

from mailsvc.mime.arrived import read_mail
from mailsvc.understand.report import Report, ReportedRecipient
from mailsvc.understand.reports import read_report
from tests.support.arrived import multipart, part

DAEMON = "From: Mail Delivery System <MAILER-DAEMON@mx.test>\r\nTo: app@app.test\r\nReturn-Path: <>\r\n"
RETURNED = part("message/rfc822", "Message-ID: <1@app.test>\r\nTo: bob@shop.test\r\nSubject: Hello\r\n\r\nHello\r\n")


def report(raw: str | bytes) -> Report | None:
    octets = raw if isinstance(raw, bytes) else raw.encode()
    return read_report(octets, read_mail(octets))


def dsn(*groups: str, returned: str = RETURNED, header: str = DAEMON + "Subject: Undelivered\r\n") -> str:
    """A delivery status of these groups of fields, LF between the fields."""
    fields = "\r\n\r\n".join(group.strip().replace("\n", "\r\n") for group in groups)
    parts = [part("text/plain", "Your message."), part("message/delivery-status", fields + "\r\n"), returned]
    return header + multipart("report; report-type=delivery-status", *filter(None, parts))


def only(report: Report | None) -> ReportedRecipient:
    assert report is not None
    [recipient] = report.recipients
    return recipient


def notice(text: str, *, subject: str = "failure notice", sender: str = DAEMON, more: str = "") -> str:
    """A bounce in plain text."""
    return f"{sender}Subject: {subject}\r\n{more}Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.strip(
        "\n"
    ).replace("\n", "\r\n")
