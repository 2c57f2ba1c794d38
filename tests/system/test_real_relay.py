"""The whole service against a real Postfix with Dovecot's logins: what the application hears."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.postfix import Listener, Postfix
from tests.support.service import Service

RunService = Callable[..., Service]
RECIPIENTS = ["bob@example.test", "nobody@example.test", "full@example.test", "grey@example.test"]


def post(service: Service, *recipients: str) -> str:
    """The id of an accepted message."""
    message = {"from": "orders@app.test", "to": recipients, "subject": "Grüße", "text": ".\nHi\n"}
    with service.client() as client:
        answer = client.post("/v1/messages", json=message)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def fates(events: list[dict[str, Any]]) -> dict[str, tuple[str, str | None, str | None]]:
    """The last word on each recipient: the event's type, the enhanced code, the bounce's reason."""
    return {
        e["data"]["recipient"]: (
            e["type"],
            (e["data"].get("smtp") or {}).get("enhanced_code"),
            (e["data"].get("bounce") or {}).get("reason"),
        )
        for e in events
        if "recipient" in e["data"] and e["type"].startswith("message.")
    }


def test_every_recipient_learns_its_fate(run_service: RunService, postfix: Postfix) -> None:
    """Sent, unknown, over quota, greylisted; after the wait the last is sent too, and nobody gets it twice."""
    service = run_service(relay_url=postfix.relay_url)
    message = post(service, *RECIPIENTS)
    first = fates(service.wait_for_events(lambda got: len(fates(got)) == 4))
    with service.client() as client:
        assert client.post(f"/v1/messages/{message}/retry").status_code == 200
    last = fates(service.wait_for_events(lambda got: fates(got)["grey@example.test"][0] == "message.sent"))

    assert first["nobody@example.test"] == ("message.bounced", "5.1.1", "mailbox_unknown")
    assert first["full@example.test"] == ("message.bounced", "5.2.2", "mailbox_full")
    assert first["grey@example.test"][:2] == ("message.deferred", "4.2.0")
    assert last == first | {"grey@example.test": ("message.sent", "2.0.0", None)}
    kept = sorted(stored.recipient for stored in postfix.wait_for_messages(2))
    assert kept == ["bob@example.test", "grey@example.test"]


@pytest.mark.parametrize("listener", ["no_starttls", "expired", "wrong_name", "untrusted", "submission"])
def test_a_relay_at_fault_is_paused_and_no_message_is_charged(
    run_service: RunService, postfix: Postfix, listener: Listener
) -> None:
    """Bad TLS, or (at the sound listener) a wrong password: the application is told why, and the mail waits uncharged."""
    password = "wrong" if listener == "submission" else postfix.password
    url = f"smtp://{postfix.username}:{password}@{postfix.host}:{postfix.ports[listener]}?ca={postfix.ca_path}"
    service = run_service(relay_url=url)
    message = post(service, "bob@example.test")
    events = service.wait_for_events(lambda got: any(e["type"] == "relay.paused" for e in got), seconds=60)
    with service.client() as client:
        shown = client.get(f"/v1/messages/{message}").json()

    reason = next(e["data"]["reason"] for e in events if e["type"] == "relay.paused")
    assert reason
    assert password not in str(events)
    assert [(d["status"], d["attempts"]) for d in shown["deliveries"]] == [("queued", 0)]
    assert postfix.messages() == []
