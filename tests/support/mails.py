"""Mails as servers and people answer with: delivery reports, complaints, replies."""

from collections.abc import Sequence

__all__ = ["answer", "complaint", "report"]


def report(  # noqa: PLR0913 - each is a field of RFC 3464
    *recipients: str,
    to: str = "bounces@app.test",
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "550 5.1.1 unknown user",
    envelope_id: str | None = None,
    message_id: str | None = None,
    original: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """A delivery status notification (RFC 3464) about these recipients.

    Args:
        to: where it is delivered.
        message_id: of the message whose header is returned.
        original: the original recipient, if it is reported.
    """
    head = _head("MAILER-DAEMON@mx.example.test", to, "Delivery report", [*headers, ("Auto-Submitted", "auto-replied")])
    blocks = [["Reporting-MTA: dns; mx.example.test"]]
    if envelope_id:
        blocks[0].append(f"Original-Envelope-Id: {envelope_id}")
    for recipient in recipients:
        block = [f"Final-Recipient: rfc822; {recipient}", f"Action: {action}", f"Status: {status}"]
        if original:
            block.insert(0, f"Original-Recipient: rfc822; {original}")
        blocks.append([*block, "Remote-MTA: dns; mx2.example.test", f"Diagnostic-Code: smtp; {diagnostic}"])
    parts = [
        ("text/plain", "This is a delivery report.\n"),
        ("message/delivery-status", "\n\n".join("\n".join(block) for block in blocks) + "\n"),
    ]
    if message_id:
        parts.append(("text/rfc822-headers", f"From: shop@app.test\nMessage-ID: {message_id}\nSubject: Hi\n"))
    return _multipart(head, "delivery-status", *parts)


def complaint(
    recipient: str | None, *, message_id: str | None = None, return_path: str | None = None, kind: str = "abuse"
) -> bytes:
    """A complaint (RFC 5965); without a recipient, as from a provider that redacts it."""
    head = _head("fbl@provider.test", "abuse@app.test", "Complaint", ())
    fields = [f"Feedback-Type: {kind}", "User-Agent: Provider/1.0", "Version: 1"]
    if return_path:
        fields.append(f"Original-Mail-From: <{return_path}>")
    if recipient:
        fields.append(f"Original-Rcpt-To: <{recipient}>")
    returned = "From: shop@app.test\nTo: <redacted>\n" + (f"Message-ID: {message_id}\n" if message_id else "")
    return _multipart(
        head,
        "feedback-report",
        ("text/plain", "This is a complaint.\n"),
        ("message/feedback-report", "\n".join(fields) + "\n"),
        ("text/rfc822-headers", returned + "Subject: Hi\n"),
    )


def answer(
    author: str, *, to: str = "shop@app.test", text: str = "Yes, please.", headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    """A mail of a person or, with the right headers, of a machine."""
    return "\n".join([*_head(author, to, "Re: Hi", headers), "", text, ""]).replace("\n", "\r\n").encode()


def _head(author: str, to: str, subject: str, headers: Sequence[tuple[str, str]]) -> list[str]:
    fields = (
        *headers,
        ("Delivered-To", to),
        ("From", author),
        ("To", to),
        ("Subject", subject),
        ("Date", "Fri, 27 Nov 2026 10:00:00 +0100"),
        ("Message-ID", "<answer@example.test>"),
    )
    return [f"{name}: {value}" for name, value in fields]


def _multipart(head: list[str], report_type: str, *parts: tuple[str, str]) -> bytes:
    lines = [*head, "MIME-Version: 1.0", f"Content-Type: multipart/report; report-type={report_type}; boundary=b", ""]
    for content_type, text in parts:
        lines += ["--b", f"Content-Type: {content_type}", "", text]
    return "\n".join([*lines, "--b--", ""]).replace("\n", "\r\n").encode()
