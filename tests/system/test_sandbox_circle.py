"""What a developer sees without any configuration: what people and servers answer comes back as mail."""

import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.support.receiver import Receiver
from tests.support.service import Service

RunService = Callable[..., Service]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without any configuration, for tests that only add to what is there."""
    service = Service(tmp_path_factory.mktemp("shared") / "data").start()
    yield service
    service.kill9()


def send(service: Service, to: str | list[str], **fields: Any) -> dict[str, Any]:
    message = {"from": "Shop <orders@app.test>", "to": to, "subject": "Your order", "text": "Thank you.\n", **fields}
    with service.client() as client:
        answer = client.post("/v1/messages", json=message)
    assert answer.status_code == 202, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


def arrivals(service: Service, number: int) -> list[dict[str, Any]]:
    """The arrivals, oldest first, once there are so many."""
    deadline = time.monotonic() + 30
    with service.client() as client:
        while True:
            found: list[dict[str, Any]] = client.get("/v1/inbound?limit=200").json()["data"]
            if len(found) >= number:
                return found[::-1]
            assert time.monotonic() < deadline, f"{len(found)} arrivals\n{service.log()}"
            time.sleep(0.02)


def told_arrivals(service: Service, number: int) -> list[dict[str, Any]]:
    """The events about arrivals, once there are so many."""
    deadline = time.monotonic() + 30
    with service.client() as client:
        while True:
            events = client.get("/v1/events?after=beginning&limit=200").json()["data"]
            found = [event for event in events if event["data"].get("arrival_id")]
            if len(found) >= number:
                return found
            assert time.monotonic() < deadline, f"{len(found)} events\n{service.log()}"
            time.sleep(0.02)


def test_a_person_at_the_sandbox_replies(run_service: RunService) -> None:
    service = run_service()
    sent = send(service, "reply@sandbox.test")
    (arrival,) = arrivals(service, 1)

    assert (arrival["from"], arrival["subject"]) == ("Robin Example <reply@sandbox.test>", "Re: Your order")
    assert arrival["to"] == ["Shop <orders@app.test>"]
    with service.client() as client:
        shown = client.get(f"/v1/inbound/{arrival['id']}").json()
        mailboxes = client.get("/v1/mailboxes").json()["data"]
    assert ["In-Reply-To", sent["message_id"]] in shown["headers"]
    assert [(m["name"], m["managed"], m["status"]) for m in mailboxes] == [("sandbox", True, "active")]


@pytest.mark.parametrize(
    ("local", "kind", "to"),
    [
        ("later", "multipart/report", "orders@app.test"),
        ("delay", "multipart/report", "orders@app.test"),
        ("complain", "multipart/report", "abuse@app.test"),
        ("auto", "text/plain", "orders@app.test"),
        ("unsubscribe", "text/plain", "leave@app.test"),
    ],
)
def test_each_address_makes_its_mail_arrive(shared: Service, local: str, kind: str, to: str) -> None:
    """Complete, and well formed; the raw form is what lies in the mailbox."""
    before = len(arrivals(shared, 0))
    headers = {"List-Unsubscribe": "<mailto:leave@app.test?subject=leave>"}
    sent = send(shared, f"{local}@sandbox.test", headers=headers)
    arrival = arrivals(shared, before + 1)[-1]
    with shared.client() as client:
        raw = client.get(f"/v1/inbound/{arrival['id']}/raw").content
    mail = message_from_bytes(raw, policy=policy.default)

    assert (mail.get_content_type(), mail["Delivered-To"]) == (kind, to)
    assert [part.defects for part in mail.walk() if part.defects] == []
    assert arrival["error"] is None
    if kind == "multipart/report":
        assert sent["message_id"].encode() in raw
        assert f"{local}@sandbox.test" in list(mail.iter_parts())[1].as_string()


@pytest.mark.parametrize("return_path", [None, "bounces@app.test"])
def test_what_comes_back_is_understood_and_told(run_service: RunService, return_path: str | None) -> None:
    """With and without a signed return path, without any other setting."""
    service = run_service()
    expected = {
        "later": ("message.bounced", "bounced", "envid"),
        "delay": ("message.delayed", "sent", "envid"),
        "complain": ("message.complained", "complained", "envid"),
        "reply": ("message.replied", "sent", "in_reply_to"),
        "auto": ("message.auto_replied", "sent", "in_reply_to"),
        "unsubscribe": ("inbound.received", "sent", "verp"),
    }
    with service.client() as client:
        (relay,) = client.get("/v1/relays").json()["data"]
        client.patch(f"/v1/relays/{relay['id']}", json={"return_path": return_path})
    headers = {"List-Unsubscribe": "auto"}
    sent = {local: send(service, f"{local}@sandbox.test", headers=headers) for local in expected}
    events = told_arrivals(service, len(expected))
    with service.client() as client:
        for local, (event_type, status, evidence) in expected.items():
            (event,) = [e for e in events if e["data"]["message_id"] == sent[local]["id"]]
            message = client.get(f"/v1/messages/{sent[local]['id']}").json()
            assert (event["type"], message["status"]) == (event_type, status)
            assert evidence in event["data"]["evidence"]
            assert [one["id"] for one in message["arrivals"]] == [event["data"]["arrival_id"]]
            if local in ("later", "delay"):
                assert ("verp" in event["data"]["evidence"]) == (return_path is not None)
        listed = client.get("/v1/suppressions").json()["data"]

    assert {(one["address"], one["reason"]) for one in listed} == {
        ("later@sandbox.test", "hard_bounce"),
        ("complain@sandbox.test", "complaint"),
        ("unsubscribe@sandbox.test", "unsubscribe"),
    }


def test_a_report_goes_to_the_signed_return_path_with_what_the_sender_gave(run_service: RunService) -> None:
    """The envelope sender with its token, the envelope id, the original recipient."""
    service = run_service()
    with service.client() as client:
        (relay,) = client.get("/v1/relays").json()["data"]
        client.patch(f"/v1/relays/{relay['id']}", json={"return_path": "bounces@app.test"})
        sent = send(service, "later@sandbox.test")
        (arrival,) = arrivals(service, 1)
        raw = client.get(f"/v1/inbound/{arrival['id']}/raw").content.decode()

    token = sent["deliveries"][0]["id"].removeprefix("dlv_")
    assert f"Delivered-To: bounces+{token}" in raw
    assert "Original-Envelope-Id: " in raw
    assert "Original-Recipient: rfc822;later@sandbox.test" in raw


def test_a_wish_to_unsubscribe_goes_to_the_signed_address(run_service: RunService) -> None:
    """`List-Unsubscribe: auto` works in the sandbox without any setting."""
    service = run_service()
    send(service, "unsubscribe@sandbox.test", headers={"List-Unsubscribe": "auto"}, **{"from": "list@lists.test"})
    (arrival,) = arrivals(service, 1)

    assert arrival["to"][0].startswith("sandbox+")
    assert arrival["to"][0].endswith("@lists.test")


def test_an_answer_to_the_sandbox_ends_the_conversation(shared: Service) -> None:
    """It is taken, and nothing more arrives: what the next message brings comes first."""
    before = len(arrivals(shared, 0))
    send(shared, "reply@sandbox.test")
    arrival = arrivals(shared, before + 1)[-1]
    send(shared, "reply@sandbox.test", in_reply_to=arrival["message_id"], subject="Ping")
    send(shared, "reply@sandbox.test", subject="Pong")
    found = arrivals(shared, before + 2)

    assert [one["subject"] for one in found[before:]] == ["Re: Your order", "Re: Pong"]


def test_nothing_is_lost_or_doubled_by_kill_9(run_service: RunService) -> None:
    """Each message brings one arrival, whenever the service is killed."""
    service, sent = run_service(), []
    for n in range(6):
        sent += [send(service, "reply@sandbox.test", subject=f"Number {n}-{m}")["id"] for m in range(10)]
        service.kill9()
        service.start()
    found = arrivals(service, len(sent))
    with service.client() as client:
        listed = client.get("/v1/inbound?limit=200").json()["data"]
    events = service.wait_for_events(lambda got: len(about_arrivals(got)) >= len(sent))

    expected = sorted(f"Re: Number {n}-{m}" for n in range(6) for m in range(10))
    assert sorted(one["subject"] for one in found) == expected
    assert len(listed) == len(sent)
    assert sorted(event["data"]["arrival_id"] for event in about_arrivals(events)) == sorted(one["id"] for one in found)


def about_arrivals(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["data"].get("arrival_id")]


def test_the_mailbox_goes_with_the_sandbox(run_service: RunService, tmp_path: Path) -> None:
    """What arrived stays."""
    service = run_service()
    send(service, "reply@sandbox.test")
    arrivals(service, 1)
    service.terminate()
    receiver = Receiver(tmp_path / "receiver")
    service.configure(relay_url=receiver.relay_url)
    service.start()
    with service.client() as client:
        mailboxes, arrived = client.get("/v1/mailboxes").json()["data"], arrivals(service, 1)
    receiver.stop()

    assert (mailboxes, [one["subject"] for one in arrived]) == ([], ["Re: Your order"])
    assert list((service.data_dir / "sandbox").glob("*")) == []


def test_a_deleted_mailbox_comes_back_empty(run_service: RunService) -> None:
    """At the next start; its mails arrived already, and don't arrive once more."""
    service = run_service()
    send(service, "reply@sandbox.test", subject="First")
    arrivals(service, 1)
    with service.client() as client:
        (mailbox,) = client.get("/v1/mailboxes").json()["data"]
        assert client.delete(f"/v1/mailboxes/{mailbox['id']}").status_code == 204
    service.terminate()
    service.start()
    send(service, "reply@sandbox.test", subject="Second")

    assert [one["subject"] for one in arrivals(service, 2)] == ["Re: First", "Re: Second"]


def test_a_mailbox_of_the_user_keeps_its_name(run_service: RunService) -> None:
    """Then the sandbox has none, and the service starts all the same."""
    service = run_service()
    other = {"name": "sandbox", "host": "imap.app.test", "username": "u", "password": "p", "enabled": False}
    with service.client() as client:
        (mailbox,) = client.get("/v1/mailboxes").json()["data"]
        client.delete(f"/v1/mailboxes/{mailbox['id']}")
        made = client.post("/v1/mailboxes", json=other).json()
    service.terminate()
    service.start()
    send(service, "reply@sandbox.test")
    service.wait_for_events(lambda got: any(event["type"] == "message.sent" for event in got))
    with service.client() as client:
        (kept,) = client.get("/v1/mailboxes").json()["data"]

    assert (kept["id"], kept["host"]) == (made["id"], "imap.app.test")


def test_a_quiet_restart_warns_of_nothing(run_service: RunService) -> None:
    """The reader doesn't try the address that the mailbox had before."""
    service = run_service()
    service.terminate()
    service.start()
    send(service, "reply@sandbox.test")
    arrivals(service, 1)

    assert '"level": "warning"' not in service.log()
