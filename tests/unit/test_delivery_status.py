"""Delivery status notifications (RFC 3464, RFC 6533), as real programs write them."""

import pytest

from mailsvc.understand.report import ReportKind
from tests.support.arrived import multipart, part
from tests.support.reports import DAEMON, RETURNED, dsn, only, report

MESSAGE = "Reporting-MTA: dns; mx.test\nOriginal-Envelope-Id: env1"
FAILED = "Final-Recipient: rfc822; bob@shop.test\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; in.shop.test\nDiagnostic-Code: smtp; 550 5.1.1 <bob@shop.test>... User Unknown"


def test_a_failed_recipient_is_a_bounce_with_all_that_is_said_of_it() -> None:
    found = report(dsn(MESSAGE, FAILED))
    one = only(found)
    assert found is not None and one.diagnosis is not None
    assert (one.kind, one.recipient, one.action) == (ReportKind.BOUNCE, "bob@shop.test", "failed")
    assert (one.diagnosis.type, one.diagnosis.reason, one.diagnosis.source) == ("hard", "mailbox_unknown", "dsn")
    assert (one.diagnosis.code, one.diagnosis.enhanced_code) == (550, "5.1.1")
    assert (one.diagnosis.remote_mta, one.diagnosis.reporting_mta) == ("in.shop.test", "mx.test")
    assert one.diagnosis.diagnostic == "550 5.1.1 <bob@shop.test>... User Unknown"
    assert (found.envelope_id, found.message_ids) == ("env1", ("<1@app.test>",))


def test_each_recipient_is_reported() -> None:
    found = report(
        dsn(
            MESSAGE,
            FAILED,
            FAILED.replace("bob@", "eve@").replace("5.1.1", "5.2.2").replace("User Unknown", "Mailbox full"),
        )
    )
    assert found is not None
    assert [(one.recipient, one.diagnosis and one.diagnosis.reason) for one in found.recipients] == [
        ("bob@shop.test", "mailbox_unknown"),
        ("eve@shop.test", "mailbox_full"),
    ]


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("failed", ReportKind.BOUNCE),
        ("Failed (unrecoverable error)", ReportKind.BOUNCE),
        ("delayed", ReportKind.DELAY),
        ("Delayed", ReportKind.DELAY),
        ("delivered", ReportKind.RECEIPT),
        ("relayed", ReportKind.RECEIPT),
        ("expanded", ReportKind.RECEIPT),
    ],
)
def test_the_action_tells_the_kind(action: str, kind: ReportKind) -> None:
    assert only(report(dsn(MESSAGE, FAILED.replace("failed", action)))).kind is kind


@pytest.mark.parametrize(
    ("status", "kind"), [("5.0.0", ReportKind.BOUNCE), ("4.4.1", ReportKind.DELAY), ("2.0.0", ReportKind.RECEIPT)]
)
def test_the_status_tells_the_kind_where_the_action_is_missing(status: str, kind: ReportKind) -> None:
    assert only(report(dsn(MESSAGE, f"Final-Recipient: rfc822; bob@shop.test\nStatus: {status}"))).kind is kind


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("Final-Recipient: rfc822;bob@shop.test", "bob@shop.test"),
        ("Final-Recipient: RFC822; <bob@shop.test>", "bob@shop.test"),
        ('Final-Recipient: rfc822; "bob smith"@shop.test', '"bob smith"@shop.test'),
        ("Final-Recipient: utf-8; bü\\x{F6}b@shop.test", "büöb@shop.test"),
        ("final-recipient : rfc822; bob@shop.test", "bob@shop.test"),
        ("Final-Recipient: bob@shop.test", "bob@shop.test"),
        ("Original-Recipient: <bob@shop.test>", "bob@shop.test"),
        ("Final-Recipient: rfc822;\n bob@shop.test", "bob@shop.test"),
    ],
)
def test_the_address_is_read_whatever_its_form(field: str, address: str) -> None:
    assert only(report(dsn(MESSAGE, field + "\nAction: failed\nStatus: 5.0.0"))).recipient == address


def test_the_address_that_the_sender_named_is_kept() -> None:
    one = only(report(dsn(MESSAGE, "Original-Recipient: rfc822;alias@shop.test\n" + FAILED)))
    assert (one.recipient, one.original_recipient) == ("bob@shop.test", "alias@shop.test")


@pytest.mark.parametrize(
    "groups",
    [
        [
            "Final-Recipient: rfc822; bob@shop.test\nAction: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822; eve@shop.test\nAction: failed\nStatus: 5.1.1"
        ],
        [
            "Final-Recipient: rfc822; bob@shop.test",
            "Action: failed\nStatus: 5.1.1",
            "Final-Recipient: rfc822; eve@shop.test\nAction: failed\nStatus: 5.1.1",
        ],
        [
            "Action: failed\nFinal-Recipient: rfc822; bob@shop.test\nStatus: 5.1.1",
            "Action: failed\nFinal-Recipient: rfc822; eve@shop.test\nStatus: 5.1.1",
        ],
    ],
)
def test_groups_are_told_apart_where_the_empty_lines_are_wrong(groups: list[str]) -> None:
    found = report(dsn(*groups))
    assert found is not None
    assert [(one.recipient, one.action) for one in found.recipients] == [
        ("bob@shop.test", "failed"),
        ("eve@shop.test", "failed"),
    ]


def test_one_recipient_that_is_reported_twice_is_one() -> None:
    assert only(report(dsn(MESSAGE, FAILED, FAILED.replace("bob@", "BOB@")))).kind is ReportKind.BOUNCE


@pytest.mark.parametrize(
    ("status", "diagnostic", "expected"),
    [
        ("5.0.0", "smtp; 550 5.7.1 relaying denied", "5.7.1"),
        ("5.1.1", "smtp; 550 user unknown", "5.1.1"),
        ("5.2.2 (Over quota)", "", "5.2.2"),
        ("", "smtp; 550 5.1.1 unknown", "5.1.1"),
        ("5.0.0", "smtp; 554 go away", "5.0.0"),
        ("5.0.0", "X-Postfix; host mx1.test[192.0.2.1] said: 550 no", "5.0.0"),
    ],
)
def test_the_more_precise_code_counts(status: str, diagnostic: str, expected: str) -> None:
    fields = f"Final-Recipient: rfc822; bob@shop.test\nAction: failed\nStatus: {status}\nDiagnostic-Code: {diagnostic}"
    diagnosis = only(report(dsn(MESSAGE, fields))).diagnosis
    assert diagnosis is not None and diagnosis.enhanced_code == expected


@pytest.mark.parametrize(("status", "reason"), [("5.4.4", "domain_unknown"), ("4.0.0", "network_error")])
def test_a_name_service_that_failed_for_a_time_condemns_no_domain(status: str, reason: str) -> None:
    fields = f"Final-Recipient: rfc822; bob@shop.test\nAction: failed\nStatus: {status}\nDiagnostic-Code: smtp; DNS Error: lookup of shop.test responded with code NXDOMAIN"
    diagnosis = only(report(dsn(MESSAGE, fields))).diagnosis
    assert diagnosis is not None and diagnosis.reason == reason


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("550 5.1.1 unknown user", "mailbox_unknown"),
        ("550 unknown user (in reply to RCPT TO command)", "mailbox_unknown"),
        ("550 unknown user (in reply to end of DATA command)", "other"),
        ("550 5.1.1 unknown user (in reply to end of DATA command)", "mailbox_unknown"),
        ("550 unknown user", "mailbox_unknown"),  # the report names whom it is about
        ("550 unknown user (in reply to MAIL FROM command)", "sender_rejected"),
        ("unknown user", "mailbox_unknown"),
    ],
)
def test_the_stage_of_a_refusal_counts(words: str, reason: str) -> None:
    """At the end of a message, filters refuse recipients who exist, and others may be part of the transaction."""
    fields = f"Final-Recipient: rfc822; bob@shop.test\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; {words}"
    diagnosis = only(report(dsn(MESSAGE, fields))).diagnosis
    assert diagnosis is not None and diagnosis.reason == reason


def test_the_message_is_found_by_its_header_alone() -> None:
    found = report(
        dsn(MESSAGE, FAILED, returned=part("text/rfc822-headers", "Subject: x\r\nMessage-Id: <2@app.test>\r\n"))
    )
    assert found is not None and found.message_ids == ("<2@app.test>",)


def test_what_the_reports_own_header_answers_is_not_what_it_returns() -> None:
    """In-Reply-To and References are clues of their own."""
    found = report(dsn(MESSAGE, FAILED, returned="", header=DAEMON + "References: <3@app.test>\r\n"))
    assert found is not None and found.message_ids == ()


def test_a_report_inside_other_multiparts_is_read() -> None:
    inner = multipart(
        "report", part("text/plain", "no"), part("message/delivery-status", FAILED.replace("\n", "\r\n")), boundary="c"
    )
    assert only(report(DAEMON + multipart("mixed", inner, RETURNED))).recipient == "bob@shop.test"


def test_a_report_in_base64_is_read() -> None:
    fields = part(
        "message/delivery-status",
        "RmluYWwtUmVjaXBpZW50OiByZmM4MjI7IGJvYkBzaG9wLnRlc3QKU3RhdHVzOiA1LjEuMQo=",
        "Content-Transfer-Encoding: base64",
    )
    assert only(report(DAEMON + multipart("report", part("text/plain", "no"), fields))).recipient == "bob@shop.test"


def test_an_internationalised_report_is_read() -> None:
    fields = part(
        "message/global-delivery-status", "Final-Recipient: utf-8; bøb@shop.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    assert only(report(DAEMON + multipart("report", part("text/plain", "no"), fields))).recipient == "bøb@shop.test"


def test_a_report_without_recipients_reports_nothing() -> None:
    assert report(dsn(MESSAGE, returned=RETURNED.replace("To: bob", "To: eve@shop.test, bob"))) is None


def test_a_report_about_a_thousand_recipients_is_read_to_its_end() -> None:
    words = "550 5.1.1 <someone@shop.test>: Recipient address rejected: User unknown in virtual mailbox table"
    groups = [
        f"Final-Recipient: rfc822; user{n}@shop.test\nOriginal-Recipient: rfc822; user{n}@shop.test\nAction: failed\n"
        f"Status: 5.1.1\nRemote-MTA: dns; mx.shop.test\nDiagnostic-Code: smtp; {words}"
        for n in range(1000)
    ]
    found = report(dsn(MESSAGE, *groups))

    assert found is not None
    assert [one.recipient for one in found.recipients] == [f"user{n}@shop.test" for n in range(1000)]


def test_a_read_receipt_is_a_receipt() -> None:
    fields = "Final-Recipient: rfc822;bob@shop.test\r\nOriginal-Message-ID: <1@app.test>\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n"
    found = report(
        "From: bob@shop.test\r\n"
        + multipart("report", part("text/plain", "read"), part("message/disposition-notification", fields))
    )
    one = only(found)
    assert found is not None and found.message_ids == ("<1@app.test>",)
    assert (one.kind, one.recipient, one.action, one.diagnosis) == (
        ReportKind.RECEIPT,
        "bob@shop.test",
        "displayed",
        None,
    )
