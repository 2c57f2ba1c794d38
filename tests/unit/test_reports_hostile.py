"""Whatever arrives: the readers of reports never raise, take no time to speak of, and keep little."""

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsvc.mime.arrived import read_mail
from mailsvc.understand.automatic import is_automatic
from mailsvc.understand.report import Report
from mailsvc.understand.reports import _read, read_report
from tests.support.arrived import multipart, part
from tests.support.mutation import mutated
from tests.support.reports import DAEMON, RETURNED, dsn, notice

KIB = 1 << 10


def check(raw: bytes) -> Report | None:
    """Read a mail as it is read in service, but let a fault show itself."""
    mail = read_mail(raw)
    report = _read(raw, mail)
    is_automatic(mail)
    for one in report.recipients if report else ():
        assert one.recipient is None or 0 < len(one.recipient) <= 400
        assert one.diagnosis is None or len(one.diagnosis.diagnostic or "") <= 1000
    assert report is None or len(report.recipients) <= 1000
    assert report is None or len(report.message_ids) <= 20
    return report


def text(piece: str) -> Callable[[int], str]:
    return lambda n: notice("Your message could not be delivered to the following recipients:\n" + piece * n)


def fields(piece: str) -> Callable[[int], str]:
    return lambda n: dsn("Reporting-MTA: dns; mx.test", (piece * n)[: 512 * KIB])


HOSTILE: dict[str, Callable[[int], str]] = {
    "words of failure": text("delivery failed "),
    "words of a mailbox": text("mailbox account user domain "),
    "addresses": text("a@b.test\n"),
    "addresses with the same words": text("<a@b.test>: 550 user unknown\n"),
    "halves of addresses": text("a@"),
    "dots": text("a."),
    "a long local part": text("a"),
    "angle brackets": text("<"),
    "ideographs": text("邮箱"),
    "capitals that grow": text("İ"),
    "empty lines": lambda n: notice("This is the Postfix mail system\n" + "\n" * n),
    "lines of markers": text("--- Original message\n"),
    "codes": text("550 5.1.1 "),
    "commands": text(">>> DATA\n<<< 550\n"),
    "labels": text("Recipient: "),
    "recipients": fields("Final-Recipient: rfc822; a@b.test\nAction: failed\nStatus: 5.1.1\n\n"),
    "recipients that differ": lambda n: dsn("\n\n".join(f"Final-Recipient: rfc822; {k}@b.test\nAction: failed\nDiagnostic-Code: smtp; 550 mailbox of user {k} unknown account" for k in range(min(n, 5000)))),
    "recipients without words": lambda n: dsn("\n\n".join(f"Final-Recipient: rfc822; {k}@b.test\nAction: failed\nStatus: 5.0.0" for k in range(min(n, 5000)))),
    "a folded field": fields("Diagnostic-Code: smtp;\n a\n"),
    "returned header": lambda n: DAEMON + multipart("mixed", part("text/plain", "failed"), part("message/rfc822", "Message-ID: <1@app.test>\r\n" * n)),
    "delimiters": lambda n: DAEMON + "Subject: Undelivered\r\n\r\n" + "--boundary\r\nContent-Type: text/plain\r\n\r\n" * n,
    "reports in reports": lambda n: "".join([DAEMON + f'Content-Type: multipart/mixed; boundary="b{k}"\r\n\r\n--b{k}\r\nContent-Type: message/rfc822\r\n\r\n' for k in range(min(n, 200))]),
    "complaints": lambda n: "From: a@b.test\r\n" + multipart("report", part("message/feedback-report", "Feedback-Type: abuse\r\n" + "Original-Rcpt-To: a@b.test\r\n" * n)),
    "json": lambda n: "x-amz-sns-message-id: 1\r\n\r\n" + "[" * n,
    "a subject": lambda n: DAEMON + f"Subject: {'out of office re: ' * min(n, 10_000)}\r\n\r\nfailed",
}  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_mail_is_read_at_once(make: Callable[[int], str]) -> None:
    """Processor time, not elapsed time: no pattern runs wild, and no work is done per recipient twice."""
    raw = make(60_000).encode()
    mail = read_mail(raw)
    began = time.process_time()
    _read(raw, mail)
    is_automatic(mail)

    assert time.process_time() - began < 2
    check(raw)


SEEDS = [
    dsn("Reporting-MTA: dns; mx.test", "Final-Recipient: rfc822; bob@shop.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no").encode(),
    notice("This is the mail system at host mx.test.\n\n<bob@shop.test>: host in.shop.test[192.0.2.1] said: 550 5.1.1 User unknown\n    (in reply to RCPT TO command)\n\n--- Original message\nReceived: from a\nMessage-ID: <1@app.test>\n").encode(),
    notice("   ----- Transcript of session follows -----\n>>> DATA\n<<< 550 5.1.1 <bob@shop.test>... User unknown").encode(),
    notice("Ihre Nachricht konnte an folgende Empfänger nicht zugestellt werden:\n\nbob@shop.test\n\nPostfach voll").encode(),
    (DAEMON + "Subject: Undelivered\r\n" + multipart("mixed", part("text/plain", "failed"), RETURNED)).encode(),
    ("From: a@b.test\r\n" + multipart("report; report-type=feedback-report", part("message/feedback-report", "Feedback-Type: abuse\r\nOriginal-Rcpt-To: bob@shop.test"), RETURNED)).encode(),
    b'x-amz-sns-message-id: 1\r\n\r\n{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"bob@shop.test"}]},"mail":{"messageId":"1"}}',
    b"From: Anna <a@b.test>\r\nIn-Reply-To: <1@app.test>\r\nSubject: Out of office\r\nPrecedence: bulk\r\n\r\nThis is an automatic reply",
]  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False))
def test_a_damaged_report_can_be_read(raw: bytes, chance: random.Random) -> None:
    check(mutated(raw, chance))


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_read(raw: bytes) -> None:
    check(raw)
    check(DAEMON.encode() + raw)
    check(DAEMON.encode() + b"Subject: Undelivered\r\n\r\n" + raw)
    check(
        DAEMON.encode()
        + multipart("report", part("message/delivery-status", "")).encode().replace(b"\r\n\r\n\r\n", b"\r\n\r\n" + raw)
    )


def test_a_fault_of_ours_reports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mails behind it must not wait for the repair."""
    monkeypatch.setattr("mailsvc.understand.reports.Material", None)

    assert read_report(SEEDS[0], read_mail(SEEDS[0])) is None
