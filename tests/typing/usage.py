"""How applications use the SDK. It is never run: mypy --strict and pyright check it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import assert_type

from mailsvc_sdk import (
    Accepted,
    APIError,
    Arrival,
    AsyncMailsvc,
    Attachment,
    BatchResult,
    Bounce,
    Draft,
    Key,
    Listing,
    Mailsvc,
    Message,
    MessageActionResult,
    Relay,
    Retry,
    SignatureError,
    SMTPReply,
    Timeouts,
    UnknownEvent,
    ValidationError,
    Webhook,
    webhooks,
)
from mailsvc_sdk.events import Event, InboundReceived, MessageBounced, MessageReplied


def send(mail: Mailsvc) -> None:
    accepted = mail.send(
        from_=("Shop", "orders@app.test"),
        to=["alice@example.test", ("Bob", "bob@example.test")],
        subject="Your order",
        text="…",
        html=None,
        attachments=[Path("a.pdf"), ("b.txt", "text"), Attachment.inline(b"png", cid="logo", filename="logo.png")],
        metadata={"order": "17"},
        scheduled_at=timedelta(hours=1),
        expires_in=3600,
        priority="high",
        idempotency_key="order-17",
    )
    assert_type(accepted, Accepted)
    assert_type(accepted.created_at, datetime)
    assert_type(mail.send(EmailMessage(), tags=["raw"]), Accepted)
    draft: Draft = {"from": "orders@app.test", "to": "alice@example.test", "text": "…"}
    result = mail.send_batch([draft, {"from": "a@app.test"}], progress=lambda done, total: print(done, total))
    assert_type(result, BatchResult)
    assert_type(result.accepted, list[Accepted])


def manage(mail: Mailsvc) -> None:
    assert_type(mail.messages.get("msg_1", include_content=True), Message)
    assert_type(mail.messages.list(status=["sent", "bounced"], since=datetime.now(UTC)), Listing[Message])
    assert_type(mail.messages.cancel("msg_1"), MessageActionResult)
    assert_type(mail.messages.wait("msg_1", until={"sent"}), Message)
    assert_type(mail.messages.raw("msg_1"), bytes)
    assert_type(mail.relays.create(name="ses", host="smtp.example.test", tls="starttls"), Relay)
    assert_type(mail.webhooks.create(url="https://app.test/hook", events=["message.*"]), Webhook)
    assert_type(mail.keys.create("app", scopes=["send"]), Key)
    assert_type(mail.inbound.get("arr_1"), Arrival)
    for message in mail.messages.list(tag="receipt"):
        mail.messages.retry(message, force=True)
        for delivery in message.deliveries:
            assert_type(delivery.last_smtp, SMTPReply | None)
    assert_type(mail.with_options(timeout=Timeouts(read=5), retry=Retry(attempts=2)), Mailsvc)


def handle(event: Event, mail: Mailsvc) -> str | None:
    match event:
        case MessageBounced(recipient=recipient, bounce=Bounce(type="hard")):
            return recipient
        case MessageReplied() | InboundReceived():
            mail.inbound.reply(event.arrival_id or "", text="Thank you")
            return event.subject
        case UnknownEvent(type=kind):
            return kind
        case _:
            return None


def verify(body: bytes, headers: dict[str, str]) -> Event | None:
    try:
        return webhooks.verify(body, headers, ["whsec_1", "whsec_2"])
    except SignatureError as error:
        print(error.reason)
        return None


def errors(mail: Mailsvc) -> None:
    try:
        mail.send(from_="a@app.test")
    except ValidationError as error:
        assert_type(error.by_field, dict[str, list[str]])
    except APIError as error:
        print(error.status, error.code, error.request_id)


def feed(mail: Mailsvc) -> Iterator[Event]:
    yield from mail.events.follow(after="beginning", types=["message.*"])


async def asynchronous() -> None:
    async with AsyncMailsvc("http://127.0.0.1:8025", api_key="…") as mail:
        assert_type(await mail.send(to="alice@example.test"), Accepted)
        assert_type(await mail.messages.list().first(), Message | None)
        async for message in mail.messages.list():
            assert_type(message, Message)
        async for event in mail.events.follow():
            print(event.cursor)


asyncio.run(asynchronous())
