"""The feed, mails that arrive, and the other objects of a real service."""

import threading
from pathlib import Path

import pytest

from mailsvc_sdk import APIError, AsyncMailsvc, AuthenticationError, Conflict, Mailsvc, NotFound, webhooks
from mailsvc_sdk.events import InboundEvent, MessageQueued, MessageReplied, WebhookTest
from tests.support.postgres import free_port
from tests.support.scripted_http import Answer, scripted
from tests.support.service import Service
from tests.support.webhook_sink import open_sink

SIMPLE = {"from": "shop@app.test", "to": "ok@sandbox.test", "subject": "Hi", "text": "Hello"}


def test_the_feed_is_followed_from_a_place_on(mail: Mailsvc) -> None:
    first = mail.send(SIMPLE)
    mail.messages.wait(first)
    found = mail.events.follow("beginning", message=first.id)
    queued, sent = next(found), next(found)

    assert (queued.type, sent.type) == ("message.queued", "message.sent")
    assert next(mail.events.follow(queued, message=first)).id == sent.id
    assert next(mail.events.follow(queued.cursor, types="message.sent", message=first)).id == sent.id
    assert [event.id for event in mail.events.list(message=first, page_size=1)] == [queued.id, sent.id]
    assert len(list(mail.events.list(message=first, limit=1))) == 1


def test_a_follower_ends_when_it_is_told(mail: Mailsvc) -> None:
    stop = threading.Event()
    stop.set()

    assert list(mail.events.follow(stop=stop)) == []


async def test_the_async_follower_does_the_same(amail: AsyncMailsvc) -> None:
    accepted = await amail.send(SIMPLE)
    async for event in amail.events.follow("beginning", message=accepted.id):
        if event.type == "message.sent":
            break


def test_a_follower_that_is_of_no_use_raises(mail: Mailsvc) -> None:
    with pytest.raises(AuthenticationError):
        next(mail.with_options(api_key="y" * 40).events.follow())
    with pytest.raises(APIError, match="422"):
        next(mail.events.follow("nonsense"))


def test_a_follower_waits_trouble_out_and_continues_at_its_place() -> None:
    def page(cursor: str, *ids: str) -> Answer:
        events = [{"id": i, "type": "message.sent", "timestamp": "2030-01-01T00:00:00Z", "data": {}} for i in ids]
        return Answer(200, {"data": events, "next_cursor": cursor})

    trouble = [Answer(hang_up=True), Answer(503, headers={"Retry-After": "0"}), Answer(500)]
    answers = [page("p1"), *trouble, page("p2", "a", "b"), *trouble, page("p3", "c")]
    with scripted(*answers) as server, Mailsvc(server.url, api_key="k") as mail:
        followed = mail.events.follow()
        found = [next(followed) for _ in range(3)]

    assert [event.id for event in found] == ["a", "b", "c"]
    assert [event.cursor for event in found] == ["a", "p2", "p3"]
    places = [asked.path.split("after=")[1].split("&")[0] for asked in server.asked]
    assert places == ["now", "p1", "p1", "p1", "p1", "p2", "p2", "p2", "p2"]
    assert "wait=" not in server.asked[0].path  # "now" would be later after a broken connection


@pytest.mark.timeout(120)
def test_a_reply_arrives_and_is_answered(mail: Mailsvc) -> None:
    accepted = mail.send(SIMPLE, to="reply@sandbox.test")
    event = next(mail.events.follow("beginning", types=["message.replied"], message=accepted))
    assert isinstance(event, MessageReplied) and isinstance(event, InboundEvent)
    arrival = mail.inbound.get(event.arrival_id)

    assert (arrival.kind, arrival.in_reply_to_message_id) == ("reply", accepted.id)
    assert arrival.text and arrival.headers
    assert mail.inbound.raw(arrival).startswith(tuple(name.encode() for name, _ in arrival.headers[:1]))
    assert [found.id for found in mail.inbound.list(message=accepted.id)] == [arrival.id]
    answer = mail.inbound.reply(event, text="You are welcome")
    assert mail.messages.get(answer.id).subject.startswith("Re: ")
    assert mail.messages.get(answer).from_ == "shop@app.test"
    with pytest.raises(NotFound):
        mail.inbound.attachment(arrival, 17)


def test_relays_and_mailboxes_are_managed(mail: Mailsvc) -> None:
    relay = mail.relays.create(name="r1", host="127.0.0.1", port=free_port(), tls="none", username=None)

    assert mail.relays.get(relay.id) == relay
    assert relay in list(mail.relays.list(name="r1"))
    assert mail.relays.update(relay.id, rate="5/s").rate == "5/s"
    assert mail.relays.update(relay.id, rate=None).rate is None
    assert not mail.relays.check(relay).ok
    assert mail.relays.pause(relay, reason="x").status == "paused"
    assert mail.relays.resume(relay).status == "active"
    with pytest.raises(Conflict):
        mail.relays.create(name="r1", host="127.0.0.1", tls="none")
    mail.relays.delete(relay)
    box = mail.mailboxes.create(
        name="m1", host="127.0.0.1", port=free_port(), tls="none", username="u", password="p", enabled=False
    )
    assert (box.password, mail.mailboxes.get(box).name) == ("********", "m1")
    assert mail.mailboxes.update(box, password="********", poll_interval=90).poll_interval == 90
    assert not mail.mailboxes.check(box).ok
    mail.mailboxes.delete(box)


def test_suppressions_and_keys_are_managed(mail: Mailsvc, service: Service) -> None:
    made = mail.suppressions.create("gone@example.test", note="asked by phone")
    assert [found.id for found in mail.suppressions.list(address="gone@example.test")] == [made.id]
    assert mail.suppressions.update(made, note="twice").note == "twice"
    mail.suppressions.delete(made)
    key = mail.keys.create("app", scopes=["send"])
    assert key.key and key.key not in repr(key)
    with Mailsvc(service.url, api_key=key.key) as limited:
        assert limited.send(SIMPLE).id
    assert mail.keys.update(key, name="other").name == "other"
    assert mail.keys.get(key).key is None
    mail.keys.revoke(key)


def test_webhooks_are_managed_and_what_they_get_is_verified(mail: Mailsvc) -> None:
    with open_sink() as sink:
        hook = mail.webhooks.create(url=sink.url("/hook"), events=["webhook.test"])
        assert hook.secret.startswith("whsec_") and hook.secret not in repr(hook)
        assert mail.webhooks.test(hook).delivered
        (got,) = sink.wait("/hook")
        event = webhooks.verify(got.body, got.headers, hook.secret)
    assert isinstance(event, WebhookTest)
    assert mail.webhooks.rotate_secret(hook, grace_seconds=60).secret != hook.secret
    assert mail.webhooks.update(hook, description="x").description == "x"
    assert list(mail.webhooks.deliveries(hook)) == []
    assert (
        mail.webhooks.replay(
            hook, since="2020-01-01T00:00:00Z", until="2020-01-02T00:00:00Z", types=["webhook.test"]
        ).queued
        == 0
    )
    mail.webhooks.delete(hook)


def test_what_the_sdk_does_not_know_can_be_asked_for(mail: Mailsvc, tmp_path: Path) -> None:
    response = mail.request("GET", "/v1/messages", params={"limit": 1, "metadata": {"order": "none"}})

    assert (response.status, response.json()["data"]) == (200, [])
    assert mail.request("POST", "/v1/messages", json=SIMPLE, headers={"Idempotency-Key": "raw-1"}).status == 202
    assert isinstance(next(iter(mail.messages.events(mail.messages.list().first()))), MessageQueued)
