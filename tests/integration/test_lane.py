"""A lane: its parcels reach the relay once each, in order, whatever its sessions go through."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailsvc import clock
from mailsvc.delivery.claim import MessageFacts
from mailsvc.delivery.journal import Journal
from mailsvc.delivery.lane import Lane, LaneParts
from mailsvc.delivery.parcel import Parcel, pack
from mailsvc.domain.attempt import Fate
from mailsvc.smtp import session as smtp_session
from mailsvc.smtp.opening import RelayTrouble, Session, TransactionResult
from mailsvc.store.leases import DueDelivery
from tests.support.faulty import DROP, FORGET, FaultyServer, Late

CONTENT = b"Subject: Hi\r\n\r\nHello\r\n"


@dataclass
class Owner:
    """A worker that only remembers."""

    fates: dict[str, list[Fate]] = field(default_factory=dict)
    returned: list[str] = field(default_factory=list)
    failures: list[RelayTrouble] = field(default_factory=list)
    recoveries: int = 0
    pause: float = 60
    tokens: Any = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def load(self, parcel: Parcel) -> bool:
        parcel.content = parcel.content or CONTENT
        return True

    def finished(self, parcel: Parcel, session: Session, result: TransactionResult, started_at: int) -> None:
        for claim, verdict in zip(parcel.claims, result.verdicts, strict=True):
            self.fates.setdefault(claim.id, []).append(verdict.fate)
        self.changed.set()

    def give_back(self, parcels: list[Parcel], trouble: RelayTrouble | None = None, *, after: float = 0.0) -> None:
        self.returned += [claim.id for parcel in parcels for claim in parcel.claims]
        self.changed.set()

    def wants_more(self) -> None:
        self.changed.set()

    async def failed(self, lane: Lane, trouble: RelayTrouble) -> None:
        self.failures.append(trouble)
        lane.block(self.pause)

    async def recovered(self, lane: Lane) -> None:
        self.recoveries += 1

    async def troubled(self, lane: Lane, trouble: RelayTrouble) -> None: ...

    async def learnt(self, lane: Lane) -> None: ...

    def set_aside(self, parcel: Parcel, text: str) -> None:
        self.give_back([parcel])

    @property
    def parts(self) -> LaneParts:
        return LaneParts(self, self, self, self.wants_more, self.tokens)

    async def until(self, settled: Any) -> None:
        async with asyncio.timeout(30):
            while not settled():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    journal = Journal(tmp_path, "wrk_test")
    yield journal
    journal.close()


def parcels(server: FaultyServer, journal: Journal, count: int, *, in_memory: bool = True) -> list[Parcel]:
    found = []
    for n in range(count):
        facts = MessageFacts(
            f"msg_{n}", "shop@app.test", len(CONTENT), False, False, "resend", False, None, clock.now()
        )
        row = DueDelivery(f"dlv_{n}", facts.id, "rly_1", f"customer{n}@example.test", 0, 1, False, None)
        found += pack(facts, [row], server.relay(), journal, deadline=clock.monotonic() + 60, key=b"k" * 32)
    for parcel in found:
        parcel.content = CONTENT if in_memory else None
    return found


def at_work(server: FaultyServer, waiting: list[Parcel], **given: Any) -> tuple[Lane, Owner]:
    """A lane that has begun to send this."""
    owner = Owner()
    lane = Lane(server.relay(**given), owner.parts)
    lane.put(waiting)
    return lane, owner


async def drain(server: FaultyServer, waiting: list[Parcel], **given: Any) -> tuple[Lane, Owner]:
    """Send all of it."""
    lane, owner = at_work(server, waiting, max_connections=2, **given)
    await owner.until(lambda: len(owner.fates) == len(waiting))
    await lane.stop(5)
    return lane, owner


def arrived(server: FaultyServer) -> list[str]:
    return sorted(recipient for message in server.messages for recipient in message.recipients)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("offers", [("PIPELINING",), ()])
async def test_every_parcel_is_sent_once(journal: Journal, offers: tuple[str, ...], in_memory: bool) -> None:
    async with FaultyServer(offers=offers) as server:
        waiting = parcels(server, journal, 50, in_memory=in_memory)
        lane, owner = await drain(server, waiting, max_messages_per_connection=7)

    assert owner.fates == {f"dlv_{n}": [Fate.SENT] for n in range(50)}
    assert arrived(server) == sorted(f"customer{n}@example.test" for n in range(50))
    assert (owner.returned, lane.profile.begins_early, lane.connections, lane.queue.in_flight) == ([], True, 0, set())


@pytest.mark.parametrize(
    "script",
    [
        {"stored": (FORGET, "250 ok")},
        {"mail:2": ["503 5.5.1 one at a time"]},
        {"stored:1": ("250 ok", DROP)},
        {"mail:2": "421 4.7.0 one message is enough"},
    ],
    ids=["forgets what came early", "refuses it", "one message a connection", "says so"],
)
async def test_a_relay_without_support_for_early_envelopes_gets_one_message_at_a_time(
    journal: Journal, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_session, "EARLY_SECONDS", 0.3)
    async with FaultyServer(script) as server:
        lane, owner = await drain(server, parcels(server, journal, 6))

    assert set(map(tuple, owner.fates.values())) == {(Fate.SENT,)}
    assert arrived(server) == [f"customer{n}@example.test" for n in range(6)]
    assert not lane.profile.begins_early


async def test_a_later_connection_limit_does_not_disable_early_envelopes(journal: Journal) -> None:
    async with FaultyServer({"mail:5": "421 4.7.0 enough"}) as server:
        lane, owner = await drain(server, parcels(server, journal, 20))

    assert set(map(tuple, owner.fates.values())) == {(Fate.SENT,)}
    assert lane.profile.begins_early


async def test_parcels_of_a_lost_connection_go_over_another(journal: Journal) -> None:
    async with FaultyServer({"dot": [None, DROP]}) as server:
        _, owner = await drain(server, parcels(server, journal, 12))

    assert sorted(map(tuple, owner.fates.values())) == sorted([(Fate.SENT,)] * 11 + [(Fate.UNCERTAIN,)])


async def test_claims_made_while_the_breaker_opens_are_returned(journal: Journal) -> None:
    """Else it would be leased for ever: a lane that is full claims nothing that could set it going again."""
    async with FaultyServer() as server:
        owner = Owner()
        lane = Lane(server.relay(max_connections=2), owner.parts)
        lane.block(60)
        lane.put(parcels(server, journal, 6))

    assert (len(owner.returned), len(lane.queue.waiting), server.connections) == (6, 0, 0)


async def test_parcels_of_a_session_that_ends_after_the_breaker_opened_are_returned(journal: Journal) -> None:
    """The breaker opened by another session; this one takes its next parcel with it when it ends, too."""
    outlives = Late(2, DROP)
    script = {"greeting": [None, None, *["421 4.3.2 shutting down"] * 9], "stored": [DROP, outlives]}
    async with FaultyServer(script) as server:
        lane, owner = at_work(server, parcels(server, journal, 6), max_connections=2)
        await owner.until(lambda: len(owner.fates) + len(owner.returned) == 6)

    assert (len(owner.fates), len(owner.returned), len(lane.queue.waiting)) == (2, 4, 0)


async def test_a_lane_without_a_share_keeps_nothing(journal: Journal) -> None:
    """The relay's only connection went to another worker: so does the mail, but for what is under way."""
    async with FaultyServer({"stored": Late(0.1, "250 ok")}) as server:
        lane, owner = at_work(server, parcels(server, journal, 10), max_connections=1)
        await owner.until(lambda: owner.fates)
        lane.adopt(lane.relay, 0)
        await owner.until(lambda: len(owner.fates) + len(owner.returned) == 10)

    assert not lane.queue.waiting
    assert not set(owner.fates) & set(owner.returned)


@pytest.mark.parametrize(("offers", "in_memory"), [((), True), (("PIPELINING",), False)], ids=["lock-step", "large"])
async def test_a_parcel_that_cannot_begin_early_does_not_wait_for_a_slow_reply(
    journal: Journal, offers: tuple[str, ...], in_memory: bool
) -> None:
    """Another session takes it."""
    async with FaultyServer({"stored": [Late(3, "250 ok")]}, offers=offers) as server:
        lane, owner = at_work(server, parcels(server, journal, 6, in_memory=in_memory), max_connections=2)
        await owner.until(lambda: len(owner.fates) == 5)
        settled_last = {f"dlv_{n}" for n in range(6)} - set(owner.fates)
        await lane.stop(5)

    assert settled_last == {server.messages[0].recipients[0].replace("customer", "dlv_").removesuffix("@example.test")}
    assert set(map(tuple, owner.fates.values())) == {(Fate.SENT,)}


async def test_a_relay_with_an_open_breaker_is_not_dialled(journal: Journal) -> None:
    """Not even who had failed before the breaker opened, and was about to try again."""
    async with FaultyServer({"connect": DROP}) as server:
        lane, owner = at_work(server, parcels(server, journal, 8), max_connections=4)
        await owner.until(lambda: len(owner.returned) == 8)
        async with asyncio.timeout(20):
            while lane.connections:
                await asyncio.sleep(0.01)

    assert server.connections <= 4
    assert not lane.queue.waiting


async def test_a_pause_returns_the_parcels_not_yet_sent(journal: Journal) -> None:
    """Its envelope is with the relay, its content is not: nothing of it was sent."""
    async with FaultyServer({"stored": Late(0.3, "250 ok")}) as server:
        lane, owner = at_work(server, parcels(server, journal, 5), max_connections=1)
        async with asyncio.timeout(20):
            while server.commands.count("DATA") < 2:
                await asyncio.sleep(0)
        lane.adopt(lane.relay, 0)
        await owner.until(lambda: owner.fates and len(owner.returned) == 4)
        await lane.stop(5)

    assert (owner.fates, arrived(server)) == ({"dlv_0": [Fate.SENT]}, ["customer0@example.test"])
    assert sorted(owner.returned) == [f"dlv_{n}" for n in range(1, 5)]


async def test_a_stopping_lane_returns_everything_before_the_dot(journal: Journal) -> None:
    """The next envelope may be out already; without its content nothing of it was sent."""
    async with FaultyServer({"stored": Late(0.2, "250 ok")}) as server:
        lane, owner = at_work(server, parcels(server, journal, 10), max_connections=1)
        await owner.until(lambda: owner.fates)
        await lane.stop(0.0)

    at_the_dot = {f"dlv_{n}" for n in range(10)} - set(owner.fates) - set(owner.returned)
    assert len(at_the_dot) <= 1  # the journal knows of it
    assert not set(owner.fates) & set(owner.returned)
    assert not lane.queue.waiting


@pytest.mark.parametrize("reply", ["550 too many emails per second", "450 4.7.1 rate limit exceeded"])
async def test_a_rate_limit_reply_slows_the_lane_down(journal: Journal, reply: str) -> None:
    """Whatever the code's class: what it refused is deferred, and what comes next waits its turn."""
    async with FaultyServer({"rcpt": [None, reply]}) as server:
        lane, owner = await drain(server, parcels(server, journal, 2))

    assert sorted(fates[0] for fates in owner.fates.values()) == [Fate.DEFERRED, Fate.SENT]
    assert lane.queue.pace.wait(clock.monotonic()) > 0


async def test_a_rate_limit_of_one_recipient_slows_nothing_down(journal: Journal) -> None:
    """That says nothing about the account."""
    reply = "450 4.2.1 The user you are trying to contact is receiving mail too quickly"
    async with FaultyServer({"rcpt": reply}) as server:
        lane, owner = await drain(server, parcels(server, journal, 1))

    assert owner.fates == {"dlv_0": [Fate.DEFERRED]}
    assert lane.queue.pace.allowance(clock.monotonic()) is None
