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
        while client.get("/v1/mailboxes?name=support").json()["data"][0]["status"] != "active":
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


@pytest.mark.timeout(300)
def test_two_hosts_share_mailboxes_and_take_over_from_each_other(
    run_service: RunService, mailhost: MailHost, tmp_path: Path, ca: Path, request: pytest.FixtureRequest
) -> None:
    """Each mailbox is read by one of them; when one is killed, the other reads on, and no event is told twice."""
    accounts = [f"shared{n}" for n in range(20)]
    for name in accounts:
        mailhost.add_user(name, PASSWORD)
    secret = quote(PASSWORD, safe="")
    urls = [f"imaps://{name}:{secret}@{HOST}:{mailhost.imaps}?ca={ca}&first_read=all" for name in accounts]
    shared = {
        "database_url": request.getfixturevalue("postgres").fresh_database(),
        "mailbox_url": " ".join(urls),
        "secret_key": "k" * 32,
        "api_key": "a" * 32,
    }
    first, second = run_service("first", **shared), run_service("second", **shared)
    for name in accounts:
        mailhost.deliver_many(name, [mail_for(name, 1)])
    first.wait_for_events(lambda got: len(arrivals(got)) >= 20)
    first.kill9()
    for name in accounts:
        mailhost.deliver_many(name, [mail_for(name, 2)])
    events = second.wait_for_events(lambda got: len(arrivals(got)) >= 40, seconds=60)

    assert sorted(arrivals(events)) == sorted(f"{name}-{n}" for name in accounts for n in (1, 2))


def mail_for(name: str, n: int) -> bytes:
    return f"From: jane@example.test\r\nSubject: {name}-{n}\r\n\r\nHello.\r\n".encode()


def test_a_mailbox_that_the_setting_no_longer_names_is_disabled(
    run_service: RunService, mailhost: MailHost, account: str, ca: Path
) -> None:
    """Its arrivals stay; named again, it goes on where it was."""
    url = f"imaps://{account}:{quote(PASSWORD, safe='')}@{HOST}:{mailhost.imaps}?ca={ca}&first_read=all"
    service = run_service(mailbox_url=url)
    mailhost.deliver(account, mail(1))
    service.wait_for_events(lambda got: len(arrivals(got)) == 1)
    service.terminate()
    service.configure(mailbox_url="")
    service.start()
    with service.client() as client:
        (shown,) = client.get("/v1/mailboxes", params={"name": f"{account}@{HOST}/INBOX"}).json()["data"]
    service.terminate()
    mailhost.deliver(account, mail(2))
    service.configure(mailbox_url=url)
    service.start()
    events = service.wait_for_events(lambda got: len(arrivals(got)) >= 2)

    assert (shown["name"], shown["enabled"], shown["managed"]) == (f"{account}@{HOST}/INBOX", False, True)
    assert arrivals(events) == ["Number 1", "Number 2"]
