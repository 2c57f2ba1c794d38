"""Notices of failure that are no report of RFC 3464: one small mail per form, of our own."""

import pytest

from mailsvc.understand.report import ReportKind
from tests.support.arrived import multipart, part
from tests.support.notices import FORMS, HEADER, Form
from tests.support.reports import DAEMON, RETURNED, notice, only, report


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_notice_is_read(form: Form) -> None:
    found = report(notice(form.text, subject=form.subject))
    assert found is not None
    assert tuple(one.recipient for one in found.recipients) == form.recipients
    first = found.recipients[0]
    assert first.kind is ReportKind.BOUNCE and first.diagnosis is not None
    assert (first.diagnosis.reason, first.diagnosis.enhanced_code) == (form.reason, form.code)
    assert first.diagnosis.source == "heuristic"


@pytest.mark.parametrize("form", [form for form in FORMS.values() if HEADER in form.text])
def test_the_message_is_found_in_the_text(form: Form) -> None:
    found = report(notice(form.text, subject=form.subject))
    assert found is not None and "<1@app.test>" in found.message_ids


@pytest.mark.parametrize(("name", "alias"), [("postfix", "all@shop.test"), ("exim", None)])
def test_the_address_before_an_alias_is_told(name: str, alias: str | None) -> None:
    assert only(report(notice(FORMS[name].text))).original_recipient == alias


def test_a_notice_in_html_alone_is_read() -> None:
    html = "<html><body><p>Your message to <b>bob@shop.test</b> couldn't be delivered.</p><p>The response was:</p><p>550 5.1.1 user unknown</p></body></html>"
    mail = DAEMON + "Subject: Undeliverable: Hi\r\nContent-Type: text/html\r\n\r\n" + html
    diagnosis = only(report(mail)).diagnosis
    assert only(report(mail)).recipient == "bob@shop.test"
    assert diagnosis is not None and (diagnosis.reason, diagnosis.enhanced_code) == ("mailbox_unknown", "5.1.1")


def test_the_header_names_the_recipient_where_the_text_does_not() -> None:
    text = "We're writing to let you know that the group you tried to contact (x) may not exist, or you may not have permission to post messages to it. https://groups.google.com/support/"
    one = only(
        report(
            notice(
                text, subject="Delivery Status Notification (Failure)", more="X-Failed-Recipients: group@shop.test\r\n"
            )
        )
    )
    assert (
        one.recipient == "group@shop.test" and one.diagnosis is not None and one.diagnosis.reason == "policy_rejected"
    )


def test_the_returned_message_names_the_recipient_where_nothing_else_does() -> None:
    mail = (
        DAEMON
        + "Subject: Undeliverable mail\r\n"
        + multipart("mixed", part("text/plain", "It could not be delivered."), RETURNED)
    )
    assert only(report(mail)).recipient == "bob@shop.test"


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Warning: message 1abc-2 delayed 24 hours", "A message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on mx.test.\n\nThe address to which the message has not yet been delivered is:\n\n  bob@shop.test\n\nNo action is required on your part. Delivery attempts will continue for\nsome time, and this warning may be repeated at intervals if the message\nremains undelivered. Eventually the mail delivery software will give up,\nand when that happens, the message will be returned to you."),
        ("Warning: could not send message for past 4 hours", "    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY      **\n\n   ----- The following addresses had transient non-fatal errors -----\n<bob@shop.test>\n\n   ----- Transcript of session follows -----\n<bob@shop.test>... Deferred: Connection timed out\nWill keep trying until message is 5 days old"),
        ("Warning--Could not send mail for past 8.5 hours", "---The following addresses had delivery errors---\n\nbob@shop.test [Connection timed out]"),
        ("Delivery Status Notification (Delay)", "THIS IS A WARNING MESSAGE ONLY.\n\nYOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\nDelivery to the following recipient has been delayed:\n\n     bob@shop.test\n\nMessage will be retried for 2 more day(s)"),
        ("Delivery Status Notification (Delay)", "** Delivery incomplete **\n\nThere was a temporary problem delivering your message to bob@shop.test. Gmail will retry for 47 more hours."),
        ("Delayed Mail (still being retried)", "# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\n\nYour message could not be delivered for more than 4 hour(s).\nIt will be retried until it is 5 day(s) old.\n\n                   The mail system\n\n<bob@shop.test>: connect to shop.test[192.0.2.1]:25: Connection timed out"),
        ("Delivery delayed: Hi", "Delivery is delayed to these recipients or groups:\n\nbob@shop.test\n\nThis message hasn't been delivered yet. Delivery will continue to be attempted."),
    ],
)  # fmt: skip
def test_a_delay_is_no_failure(subject: str, text: str) -> None:
    assert only(report(notice(text, subject=subject))).kind is ReportKind.DELAY


ANNA = "From: Anna <anna@shop.test>\r\nTo: app@app.test\r\nReturn-Path: <anna@shop.test>\r\n"
BOUNCE = "<bob@shop.test>: host in.shop.test[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command)"


@pytest.mark.parametrize(
    ("header", "subject", "text"),
    [
        (ANNA, "Fwd: Undelivered Mail Returned to Sender", "Look at this:\n\n" + BOUNCE),
        (ANNA, "Re: Undelivered Mail Returned to Sender", "Why?\n\n> " + BOUNCE),
        (ANNA, "WG: Unzustellbar: Hallo", "Konnte an folgende Empfänger nicht zugestellt werden:\nbob@shop.test"),
        (ANNA, "Undelivered mail", "Hello, my mail to bob@shop.test could not be delivered. Can you help?"),
        (ANNA, "[users] Delivery failed", "The following recipients failed:\nbob@shop.test"),
        (DAEMON, "Automatic reply: Hi", "I am out of the office. Your message to anna@shop.test was not delivered to my phone."),
        (ANNA + "List-Id: <news.test>\r\n", "How to read bounces", "550 5.1.1 <bob@shop.test> User unknown means that a message could not be delivered."),
        (ANNA, "Your request has been received [Ticket#1]", "Your message to support@shop.test has been received."),
        (ANNA, "Please confirm your message to bob@shop.test", "It can't be delivered before you click here."),
        ("From: postmaster@mx.test\r\n", "Spam Quarantine Summary", "These messages were blocked:\n\neve@shop.test   Cheap\n"),
        ("From: postmaster@mx.test\r\n", "Report domain: app.test Submitter: mx.test", "Rejected messages: 3\nbob@shop.test"),
        (DAEMON, "Hello", "Nice to meet you: eve@shop.test"),
        (ANNA.replace("<anna@shop.test>\r\nTo", "<anna@shop.test>\r\nTo").replace("Path: <anna@shop.test>", "Path: <>"), "Re: Your invoice", "I left the company. Your message was not delivered to anybody. Please write to:\n\neve@shop.test"),
        (ANNA.replace("Path: <anna@shop.test>", "Path: <>"), "Ticket created", "Your message to support@shop.test was not delivered to a person yet.\n\nRecipient: eve@shop.test"),
    ],
)  # fmt: skip
def test_what_only_speaks_of_bounces_is_none(header: str, subject: str, text: str) -> None:
    assert report(notice(text, subject=subject, sender=header)) is None


def test_a_report_about_tls_is_none() -> None:
    mail = "From: noreply@mx.test\r\nSubject: Report\r\n" + multipart(
        "report; report-type=tlsrpt",
        part("text/plain", "Failed sessions, contact eve@shop.test"),
        part("application/tlsrpt+gzip", "x"),
    )
    assert report(mail) is None


def test_a_bounce_that_a_person_attaches_is_none() -> None:
    inner = part("message/rfc822", notice(FORMS["qmail"].text))
    assert (
        report(ANNA + "Subject: Fwd: failure notice\r\n" + multipart("mixed", part("text/plain", "See."), inner))
        is None
    )


def test_the_parts_of_a_report_that_a_person_forwards_are_none() -> None:
    """Apple Mail forwards all parts of a report as parts of its own mail."""
    fields = part(
        "message/delivery-status", "Final-Recipient: rfc822; bob@shop.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    assert (
        report(
            ANNA
            + "Subject: Fwd: Undelivered Mail\r\n"
            + multipart("mixed", part("text/plain", "See."), fields, RETURNED)
        )
        is None
    )
    assert (
        report(
            ANNA + "Subject: Please look at this\r\n" + multipart("mixed", part("text/plain", "See."), fields, RETURNED)
        )
        is None
    )


def test_a_notice_that_lost_its_mime_header_is_read() -> None:
    fields = "Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; bob@shop.test\r\nAction: failed\r\nStatus: 5.2.2\r\n"
    body = multipart(
        "report", part("text/plain", "It failed."), part("message/delivery-status", fields), boundary="lost/1"
    )
    diagnosis = only(
        report(
            DAEMON
            + "Subject: Undelivered\r\n\r\nThis is a MIME-encapsulated message.\r\n"
            + body.partition("\r\n\r\n")[2]
        )
    ).diagnosis
    assert diagnosis is not None and (diagnosis.source, diagnosis.reason) == ("dsn", "mailbox_full")


def test_a_report_that_became_plain_text_is_read() -> None:
    text = "Your message could not be delivered.\n\nReporting-MTA: dns; mx.test\n\nFinal-Recipient: rfc822; bob@shop.test\nAction: failed\nStatus: 5.1.1"
    diagnosis = only(report(notice(text))).diagnosis
    assert diagnosis is not None and (diagnosis.source, diagnosis.enhanced_code) == ("dsn", "5.1.1")


def test_a_report_that_a_mail_system_passes_on_is_read() -> None:
    inner = part(
        "message/rfc822",
        DAEMON
        + "Subject: Undelivered\r\n"
        + multipart(
            "report",
            part("text/plain", "no"),
            part(
                "message/delivery-status",
                "Final-Recipient: rfc822; bob@shop.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
            ),
            boundary="c",
        ),
    )
    assert (
        only(
            report(
                DAEMON
                + "Subject: Undelivered\r\n"
                + multipart("mixed", inner, part("text/plain", "This e-mail is confidential."))
            )
        ).recipient
        == "bob@shop.test"
    )


def test_a_refusal_by_a_mail_filter_is_a_bounce() -> None:
    fields = "Final-Recipient: rfc822; bob@shop.test\r\nOriginal-Message-ID: <1@app.test>\r\nDisposition: automatic-action/MDN-sent-automatically; deleted\r\n"
    text = "Your message to <bob@shop.test> was automatically rejected:\r\nQuota exceeded"
    one = only(
        report(
            DAEMON
            + "Subject: Automatically rejected mail\r\n"
            + multipart(
                "report; report-type=disposition-notification",
                part("text/plain", text),
                part("message/disposition-notification", fields),
            )
        )
    )
    assert one.kind is ReportKind.BOUNCE and one.diagnosis is not None and one.diagnosis.reason == "mailbox_full"


SNS = "From: no-reply@sns.test\r\nSubject: AWS Notification Message\r\nx-amz-sns-message-id: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"bob@shop.test","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}],"reportingMTA":"dsn; a.test"}', ReportKind.BOUNCE),
        ('{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"bob@shop.te!\r\n st"}],"complaintFeedbackType":"abuse"}', ReportKind.COMPLAINT),
        ('{"notificationType":"Delivery","delivery":{"recipients":["bob@shop.test"]}', ReportKind.RECEIPT),
    ],
)  # fmt: skip
def test_a_notification_of_amazon_ses_is_read(body: str, kind: ReportKind) -> None:
    mail = ',"mail":{"messageId":"0100-1","headers":[{"name":"Message-ID","value":"<1@app.test>"}]}}\r\n\r\n--\r\nTo unsubscribe'
    found = report(SNS + body + mail)
    assert (only(found).kind, only(found).recipient) == (kind, "bob@shop.test")
    assert found is not None and found.message_ids == ("<1@app.test>", "<0100-1@email.amazonses.com>")


@pytest.mark.parametrize("body", ["", "{", '{"mail":{}}', "[1]", '{"mail":{},"bounce":{"bouncedRecipients":[1]}}'])
def test_another_notification_reports_nothing(body: str) -> None:
    assert report(SNS + body) is None
