"""The whole circle with real servers: what Postfix reports after its 250 comes by mail, lies in Dovecot, and is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.mailhost import HOST, MailHost
from tests.support.postfix import Postfix
from tests.support.service import Service

RunService = Callable[..., Service]
PASSWORD = "return-path"
TOLD = {"message.bounced", "message.delivered"}


@pytest.fixture
def account(mailhost: MailHost, request: pytest.FixtureRequest) -> str:
    name = f"bounces{abs(hash(request.node.nodeid))}"
    mailhost.add_user(name, PASSWORD)
    return name


def send(service: Service, *to: str, **fields: Any) -> dict[str, Any]:
    message = {"from": "orders@app.test", "to": to, "subject": "Your order", "text": "Thank you.\n", **fields}
    with service.client() as client:
        answer = client.post("/v1/messages", json=message)
    assert answer.status_code == 202, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


@pytest.mark.parametrize("option", ["&return_path=bounces@app.test", ""])
def test_what_a_real_server_reports_later_is_matched_and_told(
    run_service: RunService, postfix: Postfix, mailhost: MailHost, account: str, tmp_path: Path, option: str
) -> None:
    """By the signed return path; or, without one, by the envelope id that Postfix gives back."""
    ca = tmp_path / "mailbox-ca.pem"
    ca.write_text(mailhost.ca_pem)
    mailbox_url = f"imaps://{account}:{PASSWORD}@{HOST}:{mailhost.imaps}?ca={ca}&first_read=all"
    service = run_service(relay_url=postfix.relay_url + option, mailbox_url=mailbox_url)
    bounced = send(service, "gone@example.test")
    delivered = send(service, "bob@example.test", delivery_receipt=True)
    for stored in postfix.wait_for_messages(3):  # the message that arrived, and two reports
        if stored.recipient != "bob@example.test":
            mailhost.deliver(account, stored.raw)
    events = service.wait_for_events(lambda got: len([e for e in got if e["type"] in TOLD]) == 2)
    told = {event["data"]["message_id"]: event for event in events if event["type"] in TOLD}
    failure, success = told[bounced["id"]], told[delivered["id"]]

    assert (failure["type"], success["type"]) == ("message.bounced", "message.delivered")
    assert failure["data"]["bounce"]["reason"] == "mailbox_unknown"
    assert failure["data"]["bounce"]["enhanced_code"] == "5.1.1"
    assert failure["data"]["bounce"]["reporting_mta"] == "mx.postfix.test"
    assert "There was never such a user here" in failure["data"]["bounce"]["diagnostic"]
    expected = ["verp", "envid", "message_id", "recipient"] if option else ["envid", "message_id", "recipient"]
    assert failure["data"]["evidence"] == success["data"]["evidence"] == expected
    with service.client() as client:
        statuses = [client.get(f"/v1/messages/{one['id']}").json()["status"] for one in (bounced, delivered)]
        listed = client.get("/v1/suppressions").json()["data"]
    assert statuses == ["bounced", "delivered"]
    assert [(one["address"], one["reason"], one["event_id"]) for one in listed] == [
        ("gone@example.test", "hard_bounce", failure["id"])
    ]
