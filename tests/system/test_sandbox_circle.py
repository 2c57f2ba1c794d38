"""What a developer sees without any configuration: what people and servers answer comes back as mail."""

import time
from collections.abc import Callable
from typing import Any

from tests.support.service import Service

RunService = Callable[..., Service]
TOLD = ("inbound.", "message.replied", "message.auto_replied", "message.delayed", "message.complained")


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
            found: list[dict[str, Any]] = client.get("/v1/inbound").json()["data"]
            if len(found) >= number:
                return found[::-1]
            assert time.monotonic() < deadline, f"{len(found)} arrivals\n{service.log()}"
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
