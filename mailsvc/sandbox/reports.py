"""What servers and providers report: a failure or a delay (RFC 3464), a complaint (RFC 5965)."""

import secrets

from mailsvc import clock
from mailsvc.mime import headers
from mailsvc.mime.parts import Field, field_block
from mailsvc.sandbox.letters import Entity, address_field, subject_field, text_entity, written
from mailsvc.sandbox.submitted import HOST, Submitted

__all__ = ["complaint", "delay_report", "failure_report"]

REMOTE = "mail.sandbox.test"
MOST_RETURNED = 262_144  # bytes of a message that is returned whole
MOST_SUBJECT = 200  # characters
RETRIES_FOR = 5 * 24 * 3600 * clock.SECOND

_UNKNOWN = "550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"
_SILENT = "451 4.4.1 {remote}: Connection timed out"
_FAILED = """\
This is the mail system at host {host}.

Your message could not be delivered to one or more recipients. It is attached below.

<{recipient}>: host {remote} said: {said}
"""
_DELAYED = """\
This is the mail system at host {host}.

THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.

Your message could not be delivered for 4 hours. It will be retried until it is 5 days old.

<{recipient}>: {said}
"""
_COMPLAINT = """\
This is an email abuse report for an email message that was received from 127.0.0.1 on {date}.
"""


def failure_report(submitted: Submitted) -> bytes | None:
    """A report that the recipient is unknown. None where the sender wants none (RFC 3461, RFC 5321 section 4.5.5)."""
    said = _UNKNOWN.format(recipient=submitted.recipient)
    if not submitted.sender or not _wants(submitted, "FAILURE"):
        return None
    status: list[Field] = [("Action", "failed"), ("Status", "5.1.1"), ("Remote-MTA", f"dns; {REMOTE}")]
    return _report(submitted, "Undelivered Mail Returned to Sender", _FAILED, said, status)


def delay_report(submitted: Submitted) -> bytes | None:
    """A report that delivery takes longer; see ``failure_report``."""
    said = _SILENT.format(remote=REMOTE)
    if not submitted.sender or not _wants(submitted, "DELAY"):
        return None
    until = headers.date_time(submitted.now + RETRIES_FOR)
    status: list[Field] = [("Action", "delayed"), ("Status", "4.4.1"), ("Will-Retry-Until", until)]
    return _report(submitted, "Delayed Mail (still being retried)", _DELAYED, said, status)


def complaint(submitted: Submitted) -> bytes | None:
    """A report of the recipient's provider that the message was called spam, to the author's domain."""
    domain = submitted.author.rpartition("@")[2]
    if not domain:
        return None
    date = headers.date_time(submitted.now)
    feedback: list[Field] = [
        ("Feedback-Type", "abuse"),
        ("User-Agent", "mailsvc-sandbox/1.0"),
        ("Version", "1"),
        ("Original-Mail-From", f"<{submitted.sender}>"),
        ("Original-Rcpt-To", f"<{submitted.recipient}>"),
        *([("Original-Envelope-Id", submitted.envid)] if submitted.envid else []),
        ("Arrival-Date", date),
        ("Reporting-MTA", f"dns; {HOST}"),
        ("Source-IP", "127.0.0.1"),
        ("Reported-Domain", domain),
    ]
    parts = [
        text_entity(_COMPLAINT.format(date=date)),
        Entity([("Content-Type", "message/feedback-report")], field_block(feedback)),
        _returned(submitted, is_whole=True),
    ]
    fields = [
        address_field("From", f"Feedback Loop <fbl@{HOST}>"),
        address_field("To", f"abuse@{domain}"),
        subject_field("FW:", (submitted.mail.subject or "")[:MOST_SUBJECT]),
    ]
    entity = _multipart("feedback-report", parts)
    return written(submitted, fields, entity, sender="", delivered_to=f"abuse@{domain}")


def _wants(submitted: Submitted, report: str) -> bool:
    """Whether the sender wants this kind of report; one who said nothing wants those that servers usually send."""
    return not submitted.notify or report in submitted.notify.split(",")


def _report(submitted: Submitted, subject: str, text: str, said: str, status: list[Field]) -> bytes:
    shown = text.format(host=HOST, remote=REMOTE, recipient=submitted.recipient, said=said)
    parts = [text_entity(shown), _delivery_status(submitted, said, status), _returned(submitted)]
    fields = [
        address_field("From", f"Mail Delivery System <MAILER-DAEMON@{HOST}>"),
        address_field("To", submitted.sender),
        ("Subject", subject),
        ("Auto-Submitted", "auto-replied"),
    ]
    entity = _multipart("delivery-status", parts)
    return written(submitted, fields, entity, sender="", delivered_to=submitted.sender)


def _delivery_status(submitted: Submitted, said: str, status: list[Field]) -> Entity:
    """The fields about the message and, after an empty line, those about the recipient (RFC 3464 section 2.1)."""
    date = headers.date_time(submitted.now)
    of_message: list[Field] = [
        ("Reporting-MTA", f"dns; {HOST}"),
        *([("Original-Envelope-Id", submitted.envid)] if submitted.envid else []),
        ("Arrival-Date", date),
    ]
    original = submitted.original_recipient
    of_recipient: list[Field] = [
        *([("Original-Recipient", original)] if original else []),
        ("Final-Recipient", f"rfc822; {submitted.recipient}"),
        *status,
        ("Diagnostic-Code", f"smtp; {said}"),
        ("Last-Attempt-Date", date),
    ]
    body = field_block(of_message) + b"\r\n" + field_block(of_recipient)
    return Entity([("Content-Type", "message/delivery-status")], body)


def _returned(submitted: Submitted, *, is_whole: bool = False) -> Entity:
    """The message, or its header where the sender asked for no more (RFC 3461 section 4.3)."""
    header, blank, _ = submitted.content.partition(b"\r\n\r\n")
    content = field_block([("Return-Path", f"<{submitted.sender}>")]) + submitted.content
    is_whole = is_whole or (submitted.envelope.ret or "").upper() == "FULL"
    media_type = "message/rfc822"
    if not is_whole or len(content) > MOST_RETURNED:
        content, media_type = (
            content[: len(content) - len(submitted.content)] + header + blank[:2],
            "text/rfc822-headers",
        )
    encoding = "7bit" if content.isascii() else "8bit"
    return Entity([("Content-Type", media_type), ("Content-Transfer-Encoding", encoding)], content)


def _multipart(report_type: str, parts: list[Entity]) -> Entity:
    boundary = f"=_{secrets.token_hex(16)}"
    pieces = [b"--%b\r\n%b\r\n%b\r\n" % (boundary.encode(), field_block(part.fields), part.body) for part in parts]
    encoding = "7bit" if all(part.body.isascii() for part in parts) else "8bit"
    kind = f'multipart/report; report-type={report_type};\r\n boundary="{boundary}"'
    fields = [("Content-Type", kind), ("Content-Transfer-Encoding", encoding)]
    return Entity(fields, b"".join(pieces) + f"--{boundary}--\r\n".encode())
