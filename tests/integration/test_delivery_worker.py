"""The delivery worker on a database of its own: whatever happens to a relay or its share, what is claimed stays in somebody's hands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailsvc.delivery import claimer, inhand, recover, worker
from mailsvc.delivery.claim import fill_apart
from mailsvc.delivery.journal import Journal
from mailsvc.delivery.parcelqueue import ParcelQueue
from mailsvc.delivery.worker import Context, DeliveryWorker
from mailsvc.domain.attempt import Reply
from mailsvc.domain.lifecycle import Change
from mailsvc.domain.relay import Relay
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.outbox.shared_commit import SharedCommit
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.record import record
from mailsvc.runtime import claimloop
from mailsvc.runtime.heartbeat import Heartbeat
from mailsvc.runtime.wake import Bell
from mailsvc.store import leases, migrate
from mailsvc.store.database import Database
from mailsvc.store.leases import DELIVERIES, DueDelivery
from mailsvc.store.tables import delivery
from tests.support.faulty import FaultyServer, Late
from tests.support.messages import a_message


@dataclass
class Known:
    """A relay as the relay book shows it."""

    relay: Relay
    enabled: bool = True
    paused: bool = False
    failures: int = 0
    retry_at: int | None = None
    flaw: str | None = None
    learnt: str | None = None


@dataclass
class Book:
    """Relays that a test changes."""

    known: dict[str, Known] = field(default_factory=dict)
    looks: int = 0
    tokens: Any = None

    def get(self, relay_id: str) -> Known | None:
        return self.known.get(relay_id)

    def get_many(self, relay_ids: list[str]) -> None:
        self.looks += 1

    def forget(self) -> None: ...


@pytest.fixture
def database(tmp_path: Path) -> Any:
    database = Database(f"sqlite:///{tmp_path / 'mailsvc.db'}")
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def _ten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane claims ten deliveries ahead."""
    monkeypatch.setattr(ParcelQueue, "_window", lambda *_, **__: 10)


def context_of(database: Database, directory: Path, book: Any, *, lease: int = 60) -> Context:
    return Context(
        database=database,
        relays=book,
        bell=Bell(directory),
        heartbeat=Heartbeat(database, ("deliver",)),
        journal_directory=directory / "journal",
        lease_seconds=lease,
        verp_key=b"k" * 32,
    )


@asynccontextmanager
async def at_work(database: Database, directory: Path, book: Any, *, lease: int = 60) -> AsyncIterator[Heartbeat]:
    """A worker, until the block ends."""
    context, stop = context_of(database, directory, book, lease=lease), asyncio.Event()
    heartbeat = context.heartbeat
    running = asyncio.create_task(DeliveryWorker(context).run(stop))
    try:
        yield heartbeat
    finally:
        stop.set()
        await running


def put(database: Database, relay: Relay, count: int, **draft: Any) -> None:
    intake = SharedCommit(database, ring=lambda: None)
    for _ in range(count):
        intake.accept(
            IntakeRequest("app_1", [a_message(relay=relay, now=database.now(), **draft)], lambda _: Answer(202, b"{}"))
        )
    intake.stop()


def claim(database: Database, relay: Relay, owner: str) -> DueDelivery:
    """By a worker whose lease has run out already."""
    with database.write() as connection:
        at = database.now()
        (row,) = leases.claim(connection, DELIVERIES, [leases.Quota(relay.id, 1)], owner=owner, now=at, until=at)
    return row


def statuses(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(select(delivery.c.status)).scalars())


async def until(settled: Any) -> None:
    async with asyncio.timeout(20):
        while not settled():
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("_ten_at_once")
@pytest.mark.parametrize("change", [{"paused": True}, {"enabled": False}, None], ids=["paused", "disabled", "gone"])
async def test_claimed_mail_of_a_paused_disabled_or_deleted_relay_waits(
    database: Database, tmp_path: Path, change: dict[str, bool] | None
) -> None:
    """But for what is under way: one message, and the next, whose envelope went out with its dot."""
    async with FaultyServer({"stored": Late(0.5, "250 ok")}) as server:
        relay = server.relay(max_connections=1)
        book = Book({relay.id: Known(relay)})
        await asyncio.to_thread(put, database, relay, 10)
        async with at_work(database, tmp_path, book):
            await until(lambda: server.messages)
            book.known = {relay.id: replace(book.known[relay.id], **change)} if change is not None else {}
            await until(lambda: "sending" not in statuses(database))

    assert len(server.messages) <= 4
    assert set(statuses(database)) == {"queued", "sent"}


@pytest.mark.usefixtures("_ten_at_once")
async def test_a_worker_that_loses_its_share_returns_its_claims(database: Database, tmp_path: Path) -> None:
    """Although nothing else is due: an older worker, given up for dead, came back to the relay's only connection."""
    async with FaultyServer({"stored": Late(0.5, "250 ok")}) as server:
        relay = server.relay(max_connections=1)
        await asyncio.to_thread(put, database, relay, 10)
        async with at_work(database, tmp_path, Book({relay.id: Known(relay)})) as heartbeat:
            await until(lambda: server.messages)
            heartbeat._peers = {"deliver": ["wrk_0", heartbeat.id]}
            await until(lambda: "sending" not in statuses(database))

    assert len(server.messages) <= 4
    assert set(statuses(database)) == {"queued", "sent"}


async def test_a_paused_relay_is_polled_rarely(database: Database, tmp_path: Path) -> None:
    """Also by a worker that has never sent over it."""
    relay = Relay(id="rly_1", name="main", host="127.0.0.1")
    await asyncio.to_thread(put, database, relay, 1)
    book = Book({relay.id: Known(relay, paused=True)})
    async with at_work(database, tmp_path, book):
        await asyncio.sleep(1.5)

    assert 1 <= book.looks <= 5


async def test_a_stop_between_claims_is_noticed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not taken for news, to be followed by a rest."""
    monkeypatch.setattr(claimloop, "POLL_SECONDS", 3600.0)
    monkeypatch.setattr(worker, "CLAIM_DISTANCE", 0.3)
    async with FaultyServer() as server:
        relay = server.relay()
        await asyncio.to_thread(put, database, relay, 1)
        async with at_work(database, tmp_path, Book({relay.id: Known(relay)})):
            await until(lambda: server.messages)

    assert statuses(database) == ["sent"]


@pytest.mark.usefixtures("_ten_at_once")
async def test_a_large_message_does_not_wait_for_small_ones_behind_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their bodies, read ahead, fill the memory: on a relay's only connection they would wait for each other."""
    monkeypatch.setattr(inhand, "BODY_BYTES", 1024 * 1024)
    async with FaultyServer() as server:
        relay = server.relay(max_connections=1)
        await asyncio.to_thread(put, database, relay, 1, text="large" * 140_000)
        await asyncio.to_thread(put, database, relay, 8, text="small" * 20_000)
        async with at_work(database, tmp_path, Book({relay.id: Known(relay)})):
            await until(lambda: statuses(database) == ["sent"] * 9)

    assert len(server.messages[0].content) > 700_000


@pytest.mark.parametrize(("workers", "rates"), [(1, [20.0]), (2, [10.0, 10.0]), (4, [10.0, 10.0, 0.0, 0.0])])
async def test_a_rate_is_shared_as_the_connections_are(
    database: Database, tmp_path: Path, workers: int, rates: list[float]
) -> None:
    """What a worker without a connection kept of it would be nobody's."""
    relay, found = Relay(id="rly_1", name="main", host="127.0.0.1", max_connections=2, rate=20.0), []
    for number in range(workers):
        context = context_of(database, tmp_path, Book())
        context.heartbeat._joined_alone = True
        context.heartbeat._peers = {
            "deliver": [context.heartbeat.id if n == number else f"wrk_{n}" for n in range(workers)]
        }
        lane = DeliveryWorker(context)._lanes.lane_of(Known(relay))
        found.append(lane.queue.pace._set)

    assert found == rates


async def test_a_message_to_many_recipients_is_not_split_into_many(database: Database, tmp_path: Path) -> None:
    """By a slow relay a few deliveries are claimed at a time; a transaction can have more recipients than that."""
    everybody = tuple(f"customer{n}@example.test" for n in range(100))
    async with FaultyServer({"stored": Late(0.1, "250 ok")}) as server:
        relay = server.relay(max_connections=2)
        for _ in range(4):
            await asyncio.to_thread(put, database, relay, 1, to=everybody)
        async with at_work(database, tmp_path, Book({relay.id: Known(relay)})):
            await until(lambda: statuses(database) == ["sent"] * 400)

    assert len(server.messages) <= 24
    assert sorted(r for m in server.messages for r in m.recipients) == sorted(everybody * 4)


async def test_a_claim_that_cannot_be_read_is_made_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal of the delivery's last worker that can't be read once must not keep it from being sent for ever."""
    failures = [OSError("no file descriptor left")]

    def heard(*_: Any) -> dict[Any, Any]:
        if failures:
            raise failures.pop()
        return {}

    monkeypatch.setattr(recover, "replies_of_others", heard)
    async with FaultyServer() as server:
        relay = server.relay()
        await asyncio.to_thread(put, database, relay, 1)
        claim(database, relay, "wrk_vanished")
        async with at_work(database, tmp_path, Book({relay.id: Known(relay)}), lease=1):
            await until(lambda: statuses(database) == ["sent"])

    assert not failures


@pytest.fixture
def _unreadable_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the worker claims first can't be read, and is given back."""
    failures = [OSError("the database is away")]

    def filled(*arguments: Any, **options: Any) -> None:
        if failures:
            raise failures.pop()
        fill_apart(*arguments, **options)

    monkeypatch.setattr(claimer, "fill_apart", filled)


@pytest.mark.usefixtures("_unreadable_once")
@pytest.mark.parametrize(
    ("on_uncertain", "status", "sent"), [("hold", "uncertain", 0), ("resend", "sent", 1), ("verify", "sent", 1)]
)
async def test_a_returned_claim_remains_uncertain(
    database: Database, tmp_path: Path, on_uncertain: str, status: str, sent: int
) -> None:
    """Given back before anything of it was sent, a message that must not go out twice does not, and another one does."""
    async with FaultyServer() as server:
        relay = server.relay()
        await asyncio.to_thread(put, database, relay, 1, on_uncertain=on_uncertain)
        claim(database, relay, "wrk_vanished")
        async with at_work(database, tmp_path, Book({relay.id: Known(relay)})):
            await until(lambda: statuses(database) == [status])

    assert len(server.messages) == sent


@pytest.mark.usefixtures("_unreadable_once")
@pytest.mark.parametrize("given_back", [0, 2], ids=["at_once", "after_others"])
async def test_a_delivery_with_a_reply_in_another_journal_is_not_resent(
    database: Database, tmp_path: Path, given_back: int
) -> None:
    """However many claims came to nothing since, ours among them."""
    async with FaultyServer() as server:
        relay = server.relay()
        await asyncio.to_thread(put, database, relay, 1)
        row = claim(database, relay, "wrk_still")
        journal = Journal(tmp_path / "journal", "wrk_still")
        journal.got(journal.about([(row.id, row.lease_token)], relay.id, "mx.app.test"), Reply(250, None, "taken"))
        for _ in range(given_back):
            row = claim(database, relay, "wrk_other")
            with database.write() as connection:
                record(connection, [Outcome(row.id, Change.RETURN, row.lease_token)], now=database.now())
        async with at_work(database, tmp_path, Book({relay.id: Known(relay)})):
            await until(lambda: statuses(database) == ["sent"])
        journal.close()

    assert not server.messages
