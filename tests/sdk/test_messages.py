"""Messages of a real service, by the SDK."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailsvc_sdk import (
    AsyncMailsvc,
    Attachment,
    AuthenticationError,
    Conflict,
    Mailsvc,
    NotFound,
    ValidationError,
    WaitFailed,
)
from mailsvc_sdk.events import MessageQueued, MessageSent
from tests.support.service import Service

SIMPLE = {"from": "shop@app.test", "to": "ok@sandbox.test", "subject": "Hi", "text": "Hello"}


def test_a_message_is_accepted_and_sent(mail: Mailsvc) -> None:
    accepted = mail.send(from_="shop@app.test", to="ok@sandbox.test", subject="Hi", text="Hello")

    assert accepted.id.startswith("msg_")
    assert accepted.deliveries[0].recipient == "ok@sandbox.test"
    assert accepted.created_at.tzinfo is UTC
    assert accepted.request_id and accepted.idempotency_key.startswith("sdk-")
    assert mail.messages.wait(accepted.id, "sent", timeout=30).status == "sent"


def test_waiting_for_what_cannot_come_fails_at_once(mail: Mailsvc) -> None:
    accepted = mail.send(SIMPLE, to="bounce@sandbox.test")

    with pytest.raises(WaitFailed) as failed:
        mail.messages.wait(accepted, "sent", timeout=60)

    assert failed.value.message.deliveries[0].last_smtp.code == 550


def test_everything_people_have_is_taken(mail: Mailsvc, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "logo.png").write_bytes(b"png")
    with (tmp_path / "a.pdf").open("rb") as opened:
        accepted = mail.send(
            from_=("Müller, Shop", "shop@app.test"),
            to=[("Alice", "alice@example.test"), "Bob <bob@example.test>"],
            subject="Your order",
            html='<img src="cid:logo">',
            text="Thank you",
            attachments=[
                tmp_path / "a.pdf",
                opened,
                ("note.txt", "Grüße"),
                ("data.bin", b"\0", "application/x-data"),
                Attachment.inline(tmp_path / "logo.png", cid="logo"),
            ],
            tags=["receipt"],
            metadata={"order": "17"},
            scheduled_at=timedelta(hours=1),
            expires_in=timedelta(days=1),
        )
    message = mail.messages.get(accepted.id, include_content=True)

    assert message.from_ == '"Müller, Shop" <shop@app.test>'
    assert message.text == "Thank you"
    assert [(a.filename, a.content_type) for a in message.attachments] == [
        ("a.pdf", "application/pdf"),
        ("a.pdf", "application/pdf"),
        ("note.txt", "text/plain; charset=utf-8"),
        ("data.bin", "application/x-data"),
        ("logo.png", "image/png"),
    ]
    assert (message.status, message.expires_in, message.tags) == ("scheduled", 86400, ("receipt",))
    assert mail.messages.cancel(message.id).status == "canceled"
    with pytest.raises(Conflict):
        mail.messages.cancel(message)


def test_a_message_of_the_standard_library_is_sent_as_it_is(mail: Mailsvc) -> None:
    mime = EmailMessage()
    mime["From"], mime["To"], mime["Subject"] = "shop@app.test", "ok@sandbox.test", "Grüße"
    mime.set_content("Hello")
    mime.add_alternative("<p>Hello</p>", subtype="html")
    first = mail.send(mime, tags=["raw"], idempotency_key="mime-1")
    second = mail.send_raw(mime, tags=["raw"], idempotency_key="mime-1")

    assert not first.replayed
    assert (second.id, second.replayed) == (first.id, True)
    assert b"<p>Hello</p>" in mail.messages.raw(first.id)


def test_what_is_wrong_is_told_by_field(mail: Mailsvc) -> None:
    with pytest.raises(ValidationError) as refused:
        mail.send(SIMPLE, to=["a@example.test", "nobody"])

    assert "to.1" in refused.value.by_field
    assert str(refused.value).startswith("422 validation_failed: to.1: ")
    assert refused.value.request_id in str(refused.value)


def test_a_wrong_key_and_an_unknown_id_have_errors_of_their_own(mail: Mailsvc) -> None:
    with pytest.raises(AuthenticationError) as refused:
        mail.with_options(api_key="x" * 40).messages.list().first()
    assert "x" * 40 not in str(refused.value)
    with pytest.raises(NotFound):
        mail.messages.get("msg_none")


def test_a_list_pages_by_itself(mail: Mailsvc) -> None:
    sent = mail.send_batch([SIMPLE | {"tags": ["pages"]} for _ in range(7)])

    found = mail.messages.list(tag="pages", page_size=3)

    assert [m.id for m in found] == [m.id for m in reversed(sent.accepted)]
    assert [len(page.data) for page in found.pages()] == [3, 3, 1]
    assert len(list(mail.messages.list(tag="pages", limit=4, page_size=3))) == 4
    assert found.first().id == sent[6].id
    assert mail.messages.list(tag="none").first() is None


def test_a_batch_has_a_result_for_each_message(mail: Mailsvc) -> None:
    seen = []
    result = mail.send_batch(
        [SIMPLE, SIMPLE | {"to": ["nobody"]}, SIMPLE],
        chunk_size=2,
        progress=lambda done, total: seen.append((done, total)),
    )

    assert seen == [(2, 3), (3, 3), (3, 3)]
    (index, error) = result.errors[0]
    assert (index, error.by_field.keys()) == (1, {"to.0"})
    assert len(result.accepted) == 2 and not result.ok


def test_a_batch_of_which_nothing_is_taken_tells_why_of_each(mail: Mailsvc) -> None:
    result = mail.send_batch([SIMPLE | {"to": "nobody"}, {"from": "a@app.test", "to": "b@c.test"}])

    assert [list(error.by_field) != [] for _, error in result.errors] == [True, True]
    assert not any(name.startswith("messages.") for _, error in result.errors for name in error.by_field)


def test_an_atomic_batch_is_all_or_nothing(mail: Mailsvc) -> None:
    with pytest.raises(ValidationError) as refused:
        mail.send_batch([SIMPLE | {"tags": ["atom"]}, SIMPLE | {"to": ["nobody"]}], atomic=True)

    assert list(refused.value.by_field) == ["messages.1.to.0"]
    assert mail.messages.list(tag="atom").first() is None


def test_a_message_tells_its_events_and_attempts(mail: Mailsvc) -> None:
    accepted = mail.send(SIMPLE)
    mail.messages.wait(accepted)

    assert [type(event) for event in mail.messages.events(accepted)] == [MessageQueued, MessageSent]
    assert [attempt.outcome for attempt in mail.messages.attempts(accepted.id)] == ["sent"]


def test_messages_are_held_released_and_rescheduled(mail: Mailsvc) -> None:
    accepted = mail.send(SIMPLE, scheduled_at=timedelta(days=1))
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)

    assert mail.messages.reschedule(accepted, tomorrow).scheduled_at == tomorrow
    assert mail.messages.update(accepted, priority="high").priority == "high"
    assert mail.messages.hold(accepted).status == "held"
    assert mail.messages.release(accepted).status == "scheduled"
    assert mail.messages.cancel(accepted).deliveries[0].changed


async def test_the_async_client_does_the_same(amail: AsyncMailsvc) -> None:
    accepted = await amail.send(SIMPLE, tags=["async"])
    message = await amail.messages.wait(accepted.id, timeout=30)

    assert message.status == "sent"
    assert [found.id async for found in amail.messages.list(tag="async")] == [accepted.id]
    assert (await amail.send_batch([SIMPLE])).ok


def test_a_client_of_the_environment_needs_no_argument(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILSVC_URL", service.url)
    monkeypatch.setenv("MAILSVC_API_KEY_FILE", str(service.data_dir / "api-key"))

    with Mailsvc() as mail:
        assert mail.ready()
        assert mail.send(SIMPLE).status == "queued"


def test_an_envelope_may_have_names(mail: Mailsvc) -> None:
    mime = "From: shop@app.test\r\nSubject: x\r\n\r\nx"
    accepted = mail.send_raw(
        mime, from_=("Shop, Ltd", "shop@app.test"), to=["Alice <ok@sandbox.test>", ("Bob", "b@example.test")]
    )

    assert [delivery.recipient for delivery in accepted.deliveries] == ["ok@sandbox.test", "b@example.test"]
