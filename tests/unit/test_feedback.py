"""Complaints (RFC 5965) and the habits of providers."""

import pytest

from mailsvc.understand.report import ReportKind
from tests.support.arrived import multipart, part
from tests.support.reports import only, report

HEADER = "From: fbl@provider.test\r\nTo: abuse@app.test\r\nSubject: complaint\r\n"
MESSAGE = "Return-Path: <bounces+token@app.test>\r\nMessage-ID: <1@app.test>\r\nFeedback-ID: a:b:c:app\r\nTo: bob@shop.test\r\nSubject: Hello\r\n\r\nHello\r\n"


def arf(fields: str, message: str = MESSAGE) -> str:
    return HEADER + multipart(
        "report; report-type=feedback-report",
        part("text/plain", "abuse"),
        part("message/feedback-report", fields),
        part("message/rfc822", message),
    )


def test_a_complaint_names_the_recipient_and_the_message() -> None:
    found = report(
        arf(
            "Feedback-Type: abuse\r\nOriginal-Mail-From: <bounces+other@app.test>\r\nOriginal-Rcpt-To: <bob@shop.test>\r\nOriginal-Envelope-Id: env1\r\n"
        )
    )
    one = only(found)
    assert found is not None
    assert (one.kind, one.recipient, one.action, one.is_of_person) == (
        ReportKind.COMPLAINT,
        "bob@shop.test",
        "abuse",
        True,
    )
    assert found.feedback_senders == ("bounces+other@app.test", "bounces+token@app.test")
    assert (found.envelope_id, found.message_ids, found.feedback_id) == ("env1", ("<1@app.test>",), "a:b:c:app")


def test_several_recipients_may_complain_at_once() -> None:
    found = report(
        arf("Feedback-Type: abuse\r\nOriginal-Rcpt-To: bob@shop.test\r\nOriginal-Rcpt-To: eve@shop.test\r\n")
    )
    assert found is not None and [one.recipient for one in found.recipients] == ["bob@shop.test", "eve@shop.test"]


@pytest.mark.parametrize(
    "address",
    [
        "redacted@shop.test",
        "******@shop.test",
        "xxxxxxxx@shop.test",
        f"{'0f' * 16}@shop.test",
        "undisclosed-recipients:;",
    ],
)
def test_a_redacted_address_is_none(address: str) -> None:
    found = report(
        arf(f"Feedback-Type: abuse\r\nOriginal-Rcpt-To: {address}\r\n", MESSAGE.replace("bob@shop.test", address))
    )
    assert only(found).recipient is None
    assert found is not None and found.message_ids == ("<1@app.test>",)


def test_the_recipient_is_taken_from_the_returned_message_where_the_report_has_none() -> None:
    assert only(report(arf("Feedback-Type: abuse\r\n"))).recipient == "bob@shop.test"


def test_one_of_several_recipients_of_the_returned_message_is_not_guessed() -> None:
    assert (
        only(report(arf("Feedback-Type: abuse\r\n", MESSAGE.replace("bob@", "eve@shop.test, bob@")))).recipient is None
    )


def test_microsoft_returns_the_message_alone() -> None:
    message = "X-HmXmrOriginalRecipient: bob@hotmail.test\r\n" + MESSAGE
    mail = "From: staff@hotmail.test\r\nSubject: complaint about message from 192.0.2.1\r\n" + multipart(
        "mixed", part("message/rfc822", message)
    )
    assert (only(report(mail)).kind, only(report(mail)).recipient) == (ReportKind.COMPLAINT, "bob@hotmail.test")


@pytest.mark.parametrize("kind", ["auth-failure", "virus"])
def test_a_report_of_a_machine_says_so(kind: str) -> None:
    assert not only(report(arf(f"Feedback-Type: {kind}\r\n"))).is_of_person


def test_not_spam_is_no_complaint() -> None:
    assert report(arf("Feedback-Type: not-spam\r\n")) is None


def test_a_report_whose_part_is_plain_text_is_read() -> None:
    fields = part("text/plain", "Feedback-Type: abuse\r\nVersion: 1\r\nOriginal-Rcpt-To: bob@shop.test\r\n")
    mail = HEADER + multipart(
        "mixed", part("text/plain", "Somebody complained."), fields, part("message/rfc822", MESSAGE)
    )
    assert only(report(mail)).recipient == "bob@shop.test"


def test_a_person_who_writes_of_a_report_complains_of_nothing() -> None:
    assert report(HEADER + "\r\nWhat is this?\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n") is None


@pytest.mark.parametrize(
    ("fields", "message", "recipient"),
    [
        # Yahoo: the address of the recipient stands in the report alone.
        ("Feedback-Type: abuse\r\nUser-Agent: Yahoo!-Mail-Feedback/2.0\r\nOriginal-Rcpt-To: bob@yahoo.test\r\n", MESSAGE.replace("bob@shop.test", "redacted@yahoo.test"), "bob@yahoo.test"),
        # Comcast and others by Validity: both are redacted.
        ("Feedback-Type: abuse\r\nUser-Agent: ReturnPathFBL/1.0\r\nAbuse-Type: complaint\r\n", MESSAGE.replace("To: bob@shop.test", 'To: "undisclosed"'), None),
        # Fastmail: the recipient stands in the trace of the message.
        ("Feedback-Type: abuse\r\nUser-Agent: FastMail/1.0\r\n", "Received: from app.test by mx.fastmail.test\r\n  for <bob@fastmail.test>; Mon, 2 Feb 2026\r\n" + MESSAGE.replace("To: bob@shop.test\r\n", ""), "bob@fastmail.test"),
    ],
)  # fmt: skip
def test_providers_name_the_recipient_in_different_places(fields: str, message: str, recipient: str | None) -> None:
    found = report(arf(fields, message))
    assert only(found).recipient == recipient
    assert found is not None and found.message_ids == ("<1@app.test>",)
