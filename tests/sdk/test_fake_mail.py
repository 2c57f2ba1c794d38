"""Tests of applications: FakeMail and the pytest plugin."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailsvc_sdk import (
    AsyncMailsvc,
    Bounce,
    Conflict,
    Mailsvc,
    NotFound,
    Retry,
    ServiceUnavailable,
    Timeout,
    ValidationError,
    WaitFailed,
    webhooks,
)
from mailsvc_sdk.events import MessageBounced, MessageReplied, SuppressionAdded
from mailsvc_sdk.testing import FakeMail

QUICK = Retry(base=0.001, cap=0.001)
SIMPLE = {"from": "Shop <shop@app.test>", "to": "Alice <alice@example.test>", "subject": "Hi", "text": "Hello"}


@pytest.fixture
def early() -> Mailsvc:
    return Mailsvc()  # before the fake is there


def test_the_outbox_has_what_was_sent(early: Mailsvc, mailsvc: FakeMail, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    accepted = early.send(
        SIMPLE, cc=("Bob", "bob@example.test"), attachments=[tmp_path / "a.pdf"], tags=["t"], metadata={"n": "1"}
    )
    (sent,) = mailsvc.outbox

    assert (sent.to, sent.cc, sent.from_) == (["alice@example.test"], ["bob@example.test"], "shop@app.test")
    assert (sent.subject, sent.text, sent.tags, sent.metadata) == ("Hi", "Hello", ["t"], {"n": "1"})
    assert (sent.attachments[0].filename, sent.attachments[0].content) == ("a.pdf", b"%PDF")
    assert (sent.id, sent.status, sent.idempotency_key) == (accepted.id, "sent", accepted.idempotency_key)
    assert sent.mime()["To"] == "Alice <alice@example.test>"
    assert mailsvc.messages[0].deliveries == early.messages.get(sent.id).deliveries
    assert early.messages.wait(accepted).status == "sent"


async def test_the_async_client_sends_to_the_outbox_too(mailsvc: FakeMail) -> None:
    async with AsyncMailsvc() as mail:
        await mail.send(SIMPLE)
    assert len(mailsvc.outbox) == 1
    async with mailsvc.async_client() as mail:
        await mail.send(SIMPLE)
        assert len([message async for message in mail.messages.list(page_size=1)]) == 2


def test_a_client_of_its_own_goes_through_the_http_client() -> None:
    fake = FakeMail()
    with fake.client() as mail:
        accepted = mail.send(SIMPLE, idempotency_key="k")
        assert mail.send(SIMPLE, idempotency_key="k").replayed
        with pytest.raises(ValidationError, match="idempotency_mismatch"):
            mail.send(SIMPLE, subject="Other", idempotency_key="k")
        assert mail.messages.get(accepted.id).subject == "Hi"
        with pytest.raises(NotFound):
            mail.messages.get("msg_none")


def test_a_message_of_the_standard_library_is_read(mailsvc: FakeMail) -> None:
    mime = EmailMessage()
    mime["From"], mime["To"], mime["Subject"] = "shop@app.test", "Alice <alice@example.test>", "Grüße"
    mime.set_content("Hello\n")
    mime.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    Mailsvc().send(mime, to=["alice@example.test", "hidden@example.test"], tags=["t"])
    (sent,) = mailsvc.outbox

    assert (sent.to, sent.bcc, sent.subject, sent.tags) == (
        ["alice@example.test"],
        ["hidden@example.test"],
        "Grüße",
        ["t"],
    )
    assert sent.text.strip() == "Hello"
    assert sent.attachments[0].content == b"%PDF"


def test_a_bounce_is_told_and_suppresses(mailsvc: FakeMail) -> None:
    mail = Mailsvc()
    event = mailsvc.bounce(mail.send(SIMPLE))

    assert isinstance(event, MessageBounced)
    assert (event.recipient, event.bounce, event.smtp.code) == ("alice@example.test", event.bounce, 550)
    assert isinstance(event.bounce, Bounce) and event.bounce.type == "hard"
    assert [type(e).__name__ for e in mailsvc.events] == [
        "MessageQueued",
        "MessageSent",
        "MessageBounced",
        "SuppressionAdded",
    ]
    assert mail.suppressions.list(address="alice@example.test").first().reason == "hard_bounce"
    mail.send(SIMPLE)
    assert [sent.status for sent in mailsvc.outbox] == ["bounced", "suppressed"]
    mail.suppressions.delete(mail.suppressions.list().first())
    mail.send(SIMPLE)
    assert mailsvc.outbox[2].status == "sent"


@pytest.mark.parametrize(
    ("recipient", "types"),
    [
        ("ok", ["sent"]),
        ("bounce", ["bounced"]),
        ("later", ["sent", "bounced"]),
        ("complain", ["sent", "complained"]),
        ("delay", ["sent", "delayed"]),
        ("reply", ["sent", "replied"]),
        ("auto", ["sent", "auto_replied"]),
        ("defer", ["deferred", "sent"]),
    ],
)
def test_the_sandboxs_addresses_have_its_fates(mailsvc: FakeMail, recipient: str, types: list[str]) -> None:
    accepted = Mailsvc().send(SIMPLE, to=f"{recipient}@sandbox.test")
    told = [e.type.removeprefix("message.") for e in Mailsvc().messages.events(accepted)]

    assert told == ["queued", *types]


def test_a_fate_can_be_fixed_for_addresses(mailsvc: FakeMail) -> None:
    mailsvc.on("*@example.test", "bounce", reason="mailbox_full", code=552)
    mailsvc.on("held@example.test", "hold")
    result = Mailsvc().send_batch([SIMPLE, SIMPLE | {"to": "held@example.test"}, SIMPLE | {"to": "nobody"}])

    assert [sent.status for sent in mailsvc.outbox] == ["bounced", "held"]
    assert [e.bounce.type for e in mailsvc.events if isinstance(e, MessageBounced)] == ["soft"]
    assert result.errors[0][1].by_field.keys() == {"to.0"}
    with pytest.raises(WaitFailed):
        Mailsvc().messages.wait(result[0].id, "sent")
    with pytest.raises(ValueError, match="no fate"):
        mailsvc.on("x", "explode")


def test_a_reply_can_be_read_and_answered(mailsvc: FakeMail) -> None:
    mail = Mailsvc()
    event = mailsvc.reply(mail.send(SIMPLE), "When?", attachments=[("a.txt", "x")])
    arrival = mail.inbound.get(event.arrival_id)

    assert isinstance(event, MessageReplied)
    assert (arrival.text, arrival.from_, arrival.attachments[0].filename) == ("When?", "alice@example.test", "a.txt")
    assert mail.inbound.attachment(arrival, 0) == b"x"
    mail.inbound.reply(arrival, text="Soon")
    assert (mailsvc.outbox[-1].to, mailsvc.outbox[-1].subject) == (["alice@example.test"], "Re: Hi")
    with pytest.raises(Conflict):
        mail.inbound.reply(mailsvc.auto_reply(mailsvc.outbox[0]), text="Soon")


def test_a_failure_is_retried_and_no_send_doubles(mailsvc: FakeMail) -> None:
    mail = Mailsvc(retry=QUICK)
    mailsvc.fail(2)
    mail.send(SIMPLE)
    mailsvc.fail(error=Timeout("lost"), after_accepting=True)
    assert mail.send(SIMPLE).replayed
    mailsvc.fail(100)
    with pytest.raises(ServiceUnavailable):
        mail.send(SIMPLE)

    assert len(mailsvc.outbox) == 2


def test_a_failure_goes_through_the_http_client_too() -> None:
    fake = FakeMail()
    fake.fail(error=Timeout("lost"), after_accepting=True)
    assert fake.client(retry=QUICK).send(SIMPLE).replayed


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": []}, "to"),
        ({"text": None}, "text"),
        ({"colour": "red"}, "colour"),
        ({"to": ["nobody"]}, "to.0"),
        ({"subject": "a\r\nBcc: x"}, "subject"),
        ({"headers": {"X-A": "a\nb"}}, "headers.X-A"),
        ({"scheduled_at": "2030-01-01T00:00:00"}, "scheduled_at"),
    ],
)
def test_the_rules_of_the_service_hold(mailsvc: FakeMail, change: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Mailsvc().send(SIMPLE | change)

    assert list(refused.value.by_field) == [field]
    assert mailsvc.outbox == []


def test_a_webhook_is_signed_as_the_services(mailsvc: FakeMail, mailsvc_secret: str) -> None:
    event = mailsvc.complain(Mailsvc().send(SIMPLE))
    request = mailsvc.webhook(event)
    old = mailsvc.webhook(event, at=datetime.now(UTC) - timedelta(hours=1))

    assert webhooks.verify(request.body, request.headers, mailsvc_secret) == event
    with pytest.raises(webhooks.SignatureError):
        webhooks.verify(old.body, old.headers, mailsvc_secret)
    assert isinstance(mailsvc.events[-1], SuppressionAdded)


def test_actions_and_the_feed_work(mailsvc: FakeMail) -> None:
    mail = Mailsvc()
    later = mail.send(SIMPLE, scheduled_at=timedelta(days=1))
    assert mail.messages.hold(later).status == "held"
    assert mail.messages.release(later).status == "scheduled"
    assert mail.messages.update(later, priority="low").priority == "low"
    assert mail.messages.cancel(later).status == "canceled"
    with pytest.raises(Conflict):
        mail.messages.cancel(later)
    types = [event.type for event in mail.events.list(types="message.*", page_size=2)]
    assert types == ["message.queued", "message.held", "message.canceled"]
    assert [m.id for m in mail.messages.list(status="canceled", metadata=None, since=timedelta(hours=-1))] == [later.id]
    assert mail.ready() and mail.messages.raw(later).startswith(b"From: ")
    mailsvc.clear()
    assert mailsvc.messages == []


def test_the_innermost_fake_answers() -> None:
    mail = Mailsvc()
    with FakeMail() as outer:
        with FakeMail(auto=False) as inner:
            mail.send(SIMPLE)
        mail.send(SIMPLE)

    assert [sent.status for sent in (*outer.outbox, *inner.outbox)] == ["sent", "queued"]


def test_a_test_without_the_fixture_is_untouched() -> None:
    code = "import sys, pytest_mailsvc; print('mailsvc_sdk' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


def test_a_message_is_checked_without_being_sent(mailsvc: FakeMail) -> None:
    """By the rules of a send."""
    mail = Mailsvc()
    shown = mail.messages.validate(SIMPLE, cc="bob@example.test")

    assert (shown.status, [d.recipient for d in shown.deliveries]) == (
        "queued",
        ["alice@example.test", "bob@example.test"],
    )
    assert "Subject: Hi" in shown.mime
    assert mailsvc.outbox == []
    with pytest.raises(ValidationError):
        mail.messages.validate(SIMPLE, to="nobody")
