"""The Sent folder settles what a lost connection left open, and gets its copies, whatever dies in between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from mailsvc import clock
from mailsvc.mailaccess.account import Credentials
from mailsvc.store.database import Database
from mailsvc.store.sent_tables import sent_job
from tests.support.faulty import DROP, HANG, FaultyServer
from tests.support.imapclient import in_mailhost
from tests.support.mailhost import HOST, PASSWORD, MailHost
from tests.support.sasl import PASSWORD as RELAY_PASSWORD
from tests.support.sasl import USER
from tests.support.service import Service
from tests.support.waiting import wait_until

RunService = Callable[..., Service]
MESSAGE = {
    "from": "app@app.test",
    "to": "alice@example.test",
    "subject": "Hi",
    "text": "Hello.",
    "on_uncertain": "verify",
}


@pytest.fixture
def user(mailhost: MailHost, request: pytest.FixtureRequest) -> Credentials:
    name = f"sent{abs(hash(request.node.nodeid))}"
    mailhost.add_user(name, PASSWORD)
    return Credentials(name, PASSWORD)


class World:
    """A service whose relay drops connections, and the mailbox that is linked to it."""

    def __init__(self, service: Service, server: FaultyServer, mailhost: MailHost, user: Credentials) -> None:
        self.service, self.server, self.mailhost, self.user = service, server, mailhost, user

    def furnish(self, *, is_linked: bool = True, **relay: Any) -> None:
        at = {"host": "127.0.0.1", "port": self.server.port, "ca_pem": self.server.ca_pem}
        account = {"name": "main", "username": USER, "password": RELAY_PASSWORD, **at}
        box = {"name": "sent", "host": HOST, "port": self.mailhost.imaps, "ca_pem": self.mailhost.ca_pem}
        box |= {"username": self.user.username, "password": PASSWORD, "relay": "main" if is_linked else None}
        with self.service.client() as client:
            assert client.post("/v1/relays", json=account | relay).status_code == 201
            assert client.post("/v1/mailboxes", json=box).status_code == 201

    def submit(self, **fields: Any) -> str:
        with self.service.client() as client:
            return str(client.post("/v1/messages", json=MESSAGE | fields).raise_for_status().json()["id"])

    def deliveries(self, id_: str) -> list[dict[str, Any]]:
        with self.service.client() as client:
            found: list[dict[str, Any]] = client.get(f"/v1/messages/{id_}").json()["deliveries"]
        return found

    def wait_for(self, id_: str, status: str) -> list[dict[str, Any]]:
        wait_until(lambda: {each["status"] for each in self.deliveries(id_)} == {status})
        return self.deliveries(id_)

    def file_as_provider(self, content: bytes) -> None:
        """Put a copy into the Sent folder, as a provider does for what it takes."""
        in_mailhost(self.mailhost, self.user, lambda s: s.append("Sent", content, clock.as_datetime(clock.now())))

    def copies(self) -> list[tuple[bytes, frozenset[str]]]:
        """The messages in the Sent folder, each with its flags."""

        def read(session: Any) -> list[tuple[bytes, frozenset[str]]]:
            if session.find_sent() is None:
                return []
            session.examine("Sent")
            listed = session.sizes(session.uids_after(0))
            contents = session.fetch_small({uid: one.size for uid, one in listed.items()}) if listed else {}
            return [(contents[uid], one.flags) for uid, one in listed.items()]

        return list(in_mailhost(self.mailhost, self.user, read))

    def database(self) -> Database:
        return Database(f"sqlite:///{self.service.data_dir / 'mailsvc.db'}")


@contextlib.asynccontextmanager
async def world(
    run_service: RunService, mailhost: MailHost, user: Credentials, script: dict[str, Any]
) -> AsyncIterator[World]:
    async with FaultyServer(script) as server:
        service = await asyncio.to_thread(run_service)
        yield World(service, server, mailhost, user)


async def test_what_the_sent_folder_has_is_not_sent_again(
    run_service: RunService, mailhost: MailHost, user: Credentials
) -> None:
    """The delivery shows what it waits for; kill -9 during the wait changes nothing."""

    def act(it: World) -> None:
        it.furnish()
        id_ = it.submit()
        (waiting,) = it.wait_for(id_, "deferred")
        it.service.kill9()
        it.file_as_provider(it.server.messages[0].content)
        it.service.start()
        (sent,) = it.wait_for(id_, "sent")

        assert "looked for in the Sent folder of the mailbox sent until" in waiting["last_smtp"]["text"]
        assert "its copy is in the folder Sent of the mailbox sent" in sent["last_smtp"]["text"]
        events = it.service.wait_for_events(lambda got: got[-1]["type"] == "message.sent")
        assert [event["type"] for event in events] == ["message.queued", "message.deferred", "message.sent"]

    async with world(run_service, mailhost, user, {"stored": [DROP]}) as it:
        await asyncio.to_thread(act, it)
        assert len(it.server.messages) == 1


async def test_what_it_has_not_by_the_end_is_sent_again(
    run_service: RunService, mailhost: MailHost, user: Credentials
) -> None:
    def act(it: World) -> None:
        it.furnish()
        id_ = it.submit()
        it.wait_for(id_, "deferred")
        it.service.kill9()
        with it.database().write() as connection:
            connection.execute(update(sent_job).values(until=clock.now()))
        it.service.start()
        (sent,) = it.wait_for(id_, "sent")

        assert (sent["attempts"], sent["last_smtp"]["code"]) == (2, 250)

    async with world(run_service, mailhost, user, {"dot": [DROP]}) as it:
        await asyncio.to_thread(act, it)
        assert len(it.server.messages) == 1


async def test_without_a_linked_mailbox_it_is_sent_again_and_says_why(
    run_service: RunService, mailhost: MailHost, user: Credentials
) -> None:
    def act(it: World) -> None:
        it.furnish(is_linked=False)
        (waiting,) = it.wait_for(it.submit(), "deferred")

        assert "no IMAP mailbox is linked to the relay" in waiting["last_smtp"]["text"]

    async with world(run_service, mailhost, user, {"stored": [DROP]}) as it:
        await asyncio.to_thread(act, it)


async def test_what_a_killed_worker_had_at_the_dot_is_looked_up_too(
    run_service: RunService, mailhost: MailHost, user: Credentials
) -> None:
    """One copy settles all recipients of a transaction."""

    def act(it: World) -> None:
        it.furnish()
        id_ = it.submit(to=["alice@example.test", "bob@example.test"])
        wait_until(lambda: len(it.server.messages) == 1)
        it.service.kill9()
        it.service.start()
        it.wait_for(id_, "deferred")
        it.file_as_provider(it.server.messages[0].content)
        it.wait_for(id_, "sent")

    async with world(run_service, mailhost, user, {"stored": [HANG]}) as it:
        await asyncio.to_thread(act, it)
        assert len(it.server.messages) == 1


async def test_a_copy_of_each_sent_message_is_filed_once(
    run_service: RunService, mailhost: MailHost, user: Credentials
) -> None:
    """Where a worker was killed after it had begun to file one, it is looked whether the copy is there."""

    def act(it: World) -> None:
        it.furnish(file_sent=True)
        for _ in range(3):
            it.wait_for(it.submit(to=["alice@example.test", "bob@example.test"]), "sent")
        wait_until(lambda: len(it.copies()) == 3)
        it.service.kill9()
        with it.database().write() as connection:
            connection.execute(update(sent_job).values(status="sending", due_at=clock.now(), lease_owner="wrk_dead"))
        it.service.start()
        it.wait_for(it.submit(), "sent")
        wait_until(lambda: len(it.copies()) == 4)
        wait_until(lambda: jobs(it) == ["filed"] * 4)

        assert {flags & {"\\seen"} for _, flags in it.copies()} == {frozenset({"\\seen"})}
        assert sorted(content for content, _ in it.copies()) == sorted(m.content for m in it.server.messages)

    async with world(run_service, mailhost, user, {}) as it:
        await asyncio.to_thread(act, it)
        assert len(it.server.messages) == 4


def jobs(it: World) -> list[str]:
    database = it.database()
    with database.read() as connection:
        found = list(connection.execute(select(sent_job.c.status)).scalars())
    database.close()
    return found
