"""The mails that the sandbox writes, read by the standard library."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from mailsvc.sandbox.acts import ACTS
from mailsvc.sandbox.submitted import Submitted
from mailsvc.smtp.server import Envelope

MESSAGE = (
    "From: Shöp <orders@app.test>\r\nTo: {to}\r\nSubject: Your =?utf-8?q?=C3=B6rder?=\r\n"
    "Date: Sat, 28 Nov 2026 19:42:46 +0000\r\nMessage-ID: <17@app.test>\r\n{more}\r\nThank you,\r\n\r\nJürgen\r\n"
)
NOW = 1_795_894_966_000_000


def submitted(local: str, more: str = "", **envelope: Any) -> Submitted:
    recipient = f"{local}@sandbox.test"
    content = MESSAGE.format(to=recipient, more=more).encode()
    given = {"sender": "bounces+token@app.test", "recipients": [recipient], **envelope}
    return Submitted(Envelope(**given), recipient, content, NOW)


def mail_of(local: str, more: str = "", **envelope: Any) -> EmailMessage:
    """The mail that follows."""
    content = ACTS[local](submitted(local, more, **envelope))
    assert content is not None
    assert b"\n" not in content.replace(b"\r\n", b"")
    return message_from_bytes(content, policy=policy.default)


def parts_of(report: EmailMessage) -> list[Any]:
    defects = [part.defects for part in report.walk()]
    assert defects == [[]] * len(defects)
    return list(report.iter_parts())


class TestDeliveryReports:
    def test_a_failure_says_which_recipient_failed_and_why(self) -> None:
        """RFC 3464; it goes to the envelope sender, with what that gave."""
        report = mail_of("later", envid="msg+2B1", originals={"later@sandbox.test": "rfc822;Later+40sandbox.test"})
        text, status, _ = parts_of(report)
        of_message, of_recipient = status.get_payload()

        assert report.get_content_type() == "multipart/report"
        assert report["Content-Type"].params["report-type"] == "delivery-status"
        assert (report["Return-Path"], report["Delivered-To"]) == ("<>", "bounces+token@app.test")
        assert "User unknown" in text.get_content()
        assert of_message["Original-Envelope-Id"] == "msg+1"
        assert of_recipient["Original-Recipient"] == "rfc822;Later@sandbox.test"
        assert of_recipient["Final-Recipient"] == "rfc822; later@sandbox.test"
        assert (of_recipient["Action"], of_recipient["Status"]) == ("failed", "5.1.1")
        assert of_recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1 ")

    @pytest.mark.parametrize(
        ("ret", "kind"), [(None, "text/rfc822-headers"), ("HDRS", "text/rfc822-headers"), ("full", "message/rfc822")]
    )
    def test_the_message_is_returned_as_the_sender_asked(self, ret: str | None, kind: str) -> None:
        """RFC 3461 section 4.3."""
        report = mail_of("later", ret=ret)
        whole = report.as_bytes().replace(b"\r\n", b"\n")

        assert parts_of(report)[-1].get_content_type() == kind
        assert b"Return-Path: <bounces+token@app.test>\nFrom: " in whole
        assert b"Message-ID: <17@app.test>" in whole
        assert (b"Thank you," in whole) is (kind == "message/rfc822")

    def test_a_delay_is_no_failure(self) -> None:
        report = mail_of("delay", notify={"delay@sandbox.test": "FAILURE,DELAY"})
        (_, of_recipient) = parts_of(report)[1].get_payload()

        assert (of_recipient["Action"], of_recipient["Status"]) == ("delayed", "4.4.1")
        assert of_recipient["Will-Retry-Until"] is not None

    @pytest.mark.parametrize("local", ["later", "delay"])
    @pytest.mark.parametrize(
        "envelope",
        [
            {"sender": ""},
            {"notify": {"later@sandbox.test": "NEVER", "delay@sandbox.test": "NEVER"}},
            {"notify": {"later@sandbox.test": "SUCCESS", "delay@sandbox.test": "SUCCESS"}},
        ],
    )
    def test_nobody_who_wants_no_report_gets_one(self, local: str, envelope: dict[str, Any]) -> None:
        """RFC 3461 section 4.1, RFC 5321 section 4.5.5."""
        assert ACTS[local](submitted(local, **envelope)) is None


class TestComplaints:
    def test_a_complaint_names_the_message_and_contains_it(self) -> None:
        """RFC 5965."""
        report = mail_of("complain", envid="msg_1")
        _, feedback, original = parts_of(report)
        fields = message_from_bytes(feedback.get_payload()[0].as_bytes(), policy=policy.default)

        assert report["Content-Type"].params["report-type"] == "feedback-report"
        assert feedback.get_content_type() == "message/feedback-report"
        assert (fields["Feedback-Type"], fields["Version"]) == ("abuse", "1")
        assert fields["Original-Mail-From"] == "<bounces+token@app.test>"
        assert fields["Original-Rcpt-To"] == "<complain@sandbox.test>"
        assert original.get_content()["Message-ID"] == "<17@app.test>"
        assert report["Delivered-To"] == "abuse@app.test"


class TestAnswers:
    def test_a_reply_belongs_to_the_conversation_and_quotes_it(self) -> None:
        mail = mail_of("reply", more="References: <15@app.test> <16@app.test>\r\n")

        assert (mail["In-Reply-To"], mail["References"]) == (
            "<17@app.test>",
            "<15@app.test> <16@app.test> <17@app.test>",
        )
        assert mail["Subject"] == "Re: Your örder"
        assert mail["To"].addresses[0].addr_spec == mail["Delivered-To"] == "orders@app.test"
        assert "\n> Thank you,\n>\n> Jürgen\n" in mail.get_content().replace("\r\n", "\n")
        assert mail["Auto-Submitted"] is None

    def test_a_reply_goes_to_reply_to(self) -> None:
        mail = mail_of("reply", more="Reply-To: Support <support+t@app.test>, other@app.test\r\n")

        assert str(mail["To"]) == "Support <support+t@app.test>, other@app.test"
        assert mail["Delivered-To"] == "support+t@app.test"

    def test_a_vacation_note_goes_to_the_envelope_sender(self) -> None:
        """RFC 3834."""
        mail = mail_of("auto")

        assert (mail["Auto-Submitted"], mail["Return-Path"]) == ("auto-replied", "<>")
        assert mail["To"] == mail["Delivered-To"] == "bounces+token@app.test"
        assert mail["In-Reply-To"] == "<17@app.test>"

    @pytest.mark.parametrize("local", ["reply", "auto", "unsubscribe"])
    @pytest.mark.parametrize(
        "more",
        [
            "In-Reply-To: <0a1b@mx.sandbox.test>\r\n",
            "References: <16@app.test> <0a1b@mx.sandbox.test>\r\n",
            "Auto-Submitted: auto-replied\r\n",
        ],
    )
    def test_an_answer_gets_no_answer(self, local: str, more: str) -> None:
        """Otherwise two machines would write to each other without end."""
        assert ACTS[local](submitted(local, more)) is None

    def test_no_machine_answers_the_null_sender(self) -> None:
        assert ACTS["auto"](submitted("auto", sender="")) is None


class TestUnsubscribing:
    def test_a_mail_goes_to_the_address_in_the_header(self) -> None:
        """RFC 2369; the web address is not called."""
        listed = "<https://app.test/u/1>, <mailto:leave+t@app.test?subject=stop%20it&body=please>"
        mail = mail_of("unsubscribe", more=f"List-Unsubscribe: {listed}\r\n")

        assert mail["To"] == mail["Delivered-To"] == "leave+t@app.test"
        assert (mail["Subject"], mail.get_content()) == ("stop it", "please")

    @pytest.mark.parametrize(
        "listed", ["", "<https://app.test/u/1>", "<mailto:>", "<mailto:nobody>", "mailto:x@y.test"]
    )
    def test_without_such_an_address_a_person_asks_the_author(self, listed: str) -> None:
        mail = mail_of("unsubscribe", more=f"List-Unsubscribe: {listed}\r\n" if listed else "")

        assert mail["Delivered-To"] == "orders@app.test"
        assert "Please remove me from this list." in mail.get_content()

    def test_nothing_in_the_header_becomes_a_header_of_the_mail(self) -> None:
        listed = "<mailto:leave@app.test?subject=x%0D%0ABcc:%20victim@example.test&body=y>"
        mail = mail_of("unsubscribe", more=f"List-Unsubscribe: {listed}\r\n")

        assert mail["Bcc"] is None


@pytest.mark.parametrize("local", sorted(ACTS))
@pytest.mark.parametrize("content", [b"", b"\r\n", b"x", b"From: \xff\r\n\r\n" + b"a" * 300_000, b"\x00" * 70_000])
def test_any_content_is_survived(local: str, content: bytes) -> None:
    """What can be made of it becomes a mail, or there is none."""
    recipient = f"{local}@sandbox.test"
    mail = ACTS[local](Submitted(Envelope("jürgen@app.test", recipients=[recipient]), recipient, content, NOW))

    assert mail is None or message_from_bytes(mail, policy=policy.default)["Message-ID"].endswith("@mx.sandbox.test>")
