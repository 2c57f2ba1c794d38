"""What an operator does: names a mailbox, and sees every mail that arrives in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.mailhost import HOST, MailHost
from tests.support.service import Service

RunService = Callable[..., Service]
PASSWORD = "p@ss word/?"


@pytest.fixture
def account(mailhost: MailHost, request: pytest.FixtureRequest) -> str:
    name = f"user{abs(hash(request.node.nodeid))}"
    mailhost.add_user(name, PASSWORD)
    return name


@pytest.fixture
def ca(mailhost: MailHost, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_text(mailhost.ca_pem)
    return file


def mail(n: int, text: str = "Hello.") -> bytes:
    head = f"From: Jane <jane@example.test>\r\nTo: support@app.test\r\nSubject: Number {n}\r\nMessage-ID: <{n}@example.test>\r\n"
    return f"{head}\r\n{text}\r\n".encode()


@pytest.fixture(params=["imaps", "imap", "pop3s", "pop3"])
def url(request: pytest.FixtureRequest, mailhost: MailHost, account: str, ca: Path) -> str:
    port = getattr(mailhost, request.param)
    return f"{request.param}://{account}:{quote(PASSWORD, safe='')}@{HOST}:{port}?poll_interval=1&ca={ca}&name=support"


def arrivals(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["subject"] for event in events if event["type"] == "inbound.received"]


def test_every_mail_that_arrives_is_listed_and_told(
    run_service: RunService, mailhost: MailHost, account: str, url: str
) -> None:
    """What was there before the first look is not, unless first_read=all asks for it."""
    mailhost.deliver(account, mail(0))
    service = run_service(mailbox_url=url)
    with service.client() as client:
        while client.get("/v1/mailboxes").json()["data"][0]["status"] != "active":
            service.wait_for_events(lambda _: True)
        for n in (1, 2, 3):
            mailhost.deliver(account, mail(n))
        events = service.wait_for_events(lambda got: len(arrivals(got)) >= 3)
        listed = client.get("/v1/inbound").json()["data"]
        raw = client.get(f"/v1/inbound/{listed[0]['id']}/raw")

    assert sorted(arrivals(events)) == ["Number 1", "Number 2", "Number 3"]
    assert sorted(arrival["subject"] for arrival in listed) == ["Number 1", "Number 2", "Number 3"]
    assert {arrival["kind"] for arrival in listed} == {"message"}
    assert raw.content in (mail(1), mail(2), mail(3))
    assert mailhost.stored(account) == 4
