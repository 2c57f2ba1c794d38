"""What keeps mail waiting is told: by the relay, by the delivery, by the event of its end; and nobody is charged for it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from mailsvc.outbox.read import find, message_objects
from mailsvc.outcomes.expire import expire_due
from mailsvc.smtp import session as smtp_session
from mailsvc.store import migrate
from mailsvc.store.database import Database
from mailsvc.store.tables import delivery
from tests.support.dispatch import Dispatch
from tests.support.faulty import DROP, FORGET, HANG, FaultyServer, Mood

LEAVING = "421 4.7.0 too much mail from you"


@pytest.fixture(params=["sqlite", "postgresql"])
def own_database(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    url = f"sqlite:///{tmp_path / 'mailsvc.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").fresh_database()
    database = Database(url)
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Any:
    database = Database(f"sqlite:///{tmp_path / 'mailsvc.db'}")
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def dispatch(on_sqlite: Database, tmp_path: Path) -> Dispatch:
    return Dispatch(on_sqlite, tmp_path)


def last_smtp(row: Any) -> dict[str, Any]:
    return dict(json.loads(row.last_smtp))


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("count", [1, 20])
async def test_the_breaker_opens_for_a_relay_that_ends_every_session(
    dispatch: Dispatch, stage: str, count: int
) -> None:
    """Logins succeed, messages do not: it is told as the relay's trouble, and a pause is a pause."""
    async with FaultyServer({stage: LEAVING}) as server:
        account = dispatch.add(server.relay(max_connections=10))
        await asyncio.to_thread(dispatch.put, account, count)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.relay(account).retry_at)
            await dispatch.until(lambda: "sending" not in dispatch.statuses(account))
            dialled = server.connections
            await asyncio.sleep(1)
            again = server.connections - dialled

    row = dispatch.relay(account)
    assert (row.last_error, again) == (f"{stage}: 421 too much mail from you", 0)
    assert (len(dispatch.events("relay.paused")), dispatch.events("relay.resumed")) == (1, [])
    assert dispatch.events("relay.paused")[0]["reason"] == row.last_error
    assert (dispatch.attempts, dispatch.statuses(account)) == (0, {"queued"})
    assert any(d.last_smtp and last_smtp(d)["code"] == 421 for d in dispatch.deliveries(account))
    assert server.connections <= 12


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_the_breaker_opens_for_a_relay_that_hangs_up_on_every_session(dispatch: Dispatch, stage: str) -> None:
    """Without a word; the attempt counts, as any that is lost before the dot."""
    async with FaultyServer({stage: DROP}) as server:
        account = dispatch.add(server.relay(max_connections=10))
        await asyncio.to_thread(dispatch.put, account, 5)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.relay(account).retry_at)

    assert dispatch.relay(account).last_error == f"{stage}: connection lost"


async def test_after_a_pause_one_session_comes_first(dispatch: Dispatch) -> None:
    """And where it fares no better, the pause goes on without news."""
    async with FaultyServer({"mail": LEAVING}) as server:
        account = dispatch.add(server.relay(max_connections=10))
        await asyncio.to_thread(dispatch.put, account, 20)
        async with dispatch.at_work() as worker:
            await dispatch.until(lambda: dispatch.relay(account).retry_at)
            await dispatch.until(lambda: "sending" not in dispatch.statuses(account))
            for times in (2, 3, 4):
                await dispatch.until(lambda: not worker._lanes.by_id[account.id].connections)
                dialled = server.connections
                await asyncio.to_thread(dispatch.skip_pause, account, worker)
                await dispatch.until(lambda n=times: dispatch.relay(account).failures == n)  # type: ignore[misc]
                assert server.connections - dialled == 1
            server.script.clear()
            await asyncio.to_thread(dispatch.skip_pause, account, worker)
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert len(dispatch.events("relay.paused")) == len(dispatch.events("relay.resumed")) == 1
    assert (dispatch.attempts, dispatch.relay(account).retry_at) == (20, None)


async def test_sessions_that_were_dialled_before_a_pause_do_not_follow_it_together(dispatch: Dispatch) -> None:
    """Where a relay greets slowly, several can be left over; after the pause there is still only one."""
    greets = asyncio.Event()
    async with FaultyServer({"greeting": [greets] * 5, "mail": LEAVING}) as server:
        account = dispatch.add(server.relay(max_connections=10))
        await asyncio.to_thread(dispatch.put, account, 20)
        async with dispatch.at_work() as worker:
            await dispatch.until(lambda: dispatch.relay(account).retry_at)
            lane = worker._lanes.by_id[account.id]
            await dispatch.until(lambda: lane.connections == 5)
            await asyncio.to_thread(dispatch.skip_pause, account, worker)
            await dispatch.until(lambda: len(lane.queue.waiting) == 2)
            tried = len(server.commands)
            greets.set()
            await dispatch.until(lambda: dispatch.relay(account).failures == 2)
            await dispatch.until(lambda: not lane.connections)

    assert sum(command.startswith("MAIL") for command in server.commands[tried:]) == 1


@pytest.mark.parametrize(
    "script",
    [
        {"mail:3": LEAVING},
        {"rcpt:1": [None, None, LEAVING] * 20},
        {"data:3": LEAVING},
        {"stored:2": ("250 ok", DROP)},
        {"stored:1": ("250 ok", DROP)},
        {"data:3": DROP},
        {"mail:2": DROP},
    ],
    ids=["421 to MAIL", "421 to RCPT", "421 to DATA", "hangs up after two", "after one", "at DATA", "at MAIL"],
)
async def test_a_limit_of_messages_a_connection_is_no_trouble(dispatch: Dispatch, script: dict[str, Mood]) -> None:
    """It is healthy: nothing is charged, and it is not left alone."""
    async with FaultyServer(script) as server:
        account = dispatch.add(server.relay(max_connections=4))
        await asyncio.to_thread(dispatch.put, account, 30)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert (dispatch.attempts, dispatch.events("relay.paused")) == (30, [])
    assert len(server.messages) == 30


async def test_an_untried_delivery_shows_why_it_waits(own_database: Database, tmp_path: Path) -> None:
    """Of a relay that can't be reached: in the delivery, and in the event of its end."""
    dispatch = Dispatch(own_database, tmp_path)
    async with FaultyServer() as server:
        gone = server.relay()
    account = dispatch.add(gone)
    await asyncio.to_thread(dispatch.put, account, 40)
    async with dispatch.at_work():
        await dispatch.until(lambda: dispatch.relay(account).retry_at)
        await dispatch.until(lambda: "sending" not in dispatch.statuses(account))
    said = {"stage": "connect", "code": None, "enhanced_code": None, "text": "connection refused", "host": "127.0.0.1"}
    with own_database.write() as connection:
        rows = [find(connection, "app_1", row.message_id) for row in dispatch.deliveries(account)]
        assert all(m["deliveries"][0]["last_smtp"] == said for m in message_objects(connection, rows))
        connection.execute(update(delivery).values(expires_at=1))
        assert expire_due(connection, now=own_database.now(), limit=100) == 40

    assert [told["smtp"] for told in dispatch.events("message.expired")] == [said] * 40


async def test_a_deferral_after_relay_trouble_still_emits_an_event(dispatch: Dispatch) -> None:
    """What a delivery shows of a claim that came to nothing was no deferral."""
    async with FaultyServer({"mail": ["421 4.7.0 later", "451 4.7.0 later", "451 4.7.0 later"]}) as server:
        account = dispatch.add(server.relay())
        await asyncio.to_thread(dispatch.put, account)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"deferred"})

    assert len(dispatch.events("message.deferred")) == 1


@pytest.mark.parametrize(
    ("script", "most"),
    [
        ({"stored": "554 Transaction failed: Recipient count exceeds 50."}, 50),
        ({"rcpt": "550 Too many recipients"}, 50),
        ({"rcpt": "452 4.3.1 Insufficient system storage"}, 10),
        ({"rcpt": "452 4.5.3 Too many recipients"}, 10),
        ({"rcpt": "451 Temporary failure"}, 10),
        ({"rcpt": "552 too many recipients"}, 10),
        ({"rcpt": "571 sorry, reached maximum number of recipients allowed in one session"}, 3),
        ({"stored": "452 4.5.3 Your message has too many recipients"}, 3),
        ({"stored": "550 Message has more than 1 recipients"}, 1),
    ],
)
async def test_a_recipient_limit_charges_no_attempt(dispatch: Dispatch, script: dict[str, str], most: int) -> None:
    """The transaction is split, the relay's cap is remembered, and everybody is mailed once."""
    everybody = tuple(f"customer{n}@example.test" for n in range(120))
    async with _Capped(most, **script) as server:
        account = dispatch.add(server.relay(max_connections=1))
        await asyncio.to_thread(dispatch.put, account, 1, to=everybody)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})
        transactions = len(server.messages)
        async with dispatch.at_work():  # started anew, it knows
            server.refused = 0
            await asyncio.to_thread(dispatch.put, account, 1, to=everybody)
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert sorted(r for m in server.messages[:transactions] for r in m.recipients) == sorted(everybody)
    assert (dispatch.attempts, server.refused) == (240, 0)
    assert max(len(m.recipients) for m in server.messages) <= most


class _Capped(FaultyServer):
    """It takes so many recipients, and refuses the next ones, or the message, in these words."""

    def __init__(self, most: int, *, rcpt: str | None = None, stored: str | None = None) -> None:
        super().__init__()
        self._most, self._rcpt, self._dot = most, rcpt, stored
        self._asked = self.refused = 0

    def mood(self, stage: str, *details: object) -> Mood:
        if stage == "mail":
            self._asked = 0
        if stage == "rcpt":
            self._asked += 1
        reply = {"rcpt": self._rcpt, "dot": self._dot}.get(stage)
        if reply is not None and self._asked > self._most:
            self.refused += 1
            if stage == "rcpt":
                self._forget = True
            return reply
        return super().mood(stage, *details)


@pytest.mark.parametrize(
    "reply", ["550 Too many recipients", "452 4.5.3 Too many recipients", "554 Recipient count exceeds 0"]
)
@pytest.mark.parametrize("stage", ["rcpt", "dot"])
async def test_a_single_recipient_is_never_too_many(dispatch: Dispatch, stage: str, reply: str) -> None:
    """What can't be split ends in a verdict."""
    async with FaultyServer({stage: reply}) as server:
        account = dispatch.add(server.relay())
        await asyncio.to_thread(dispatch.put, account)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) <= {"bounced", "deferred"})

    assert dispatch.attempts == 1


async def test_a_relay_that_loses_pipelined_commands_is_detected(
    dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is charged, and a start later it is still known."""
    monkeypatch.setattr(smtp_session, "GROUP_SECONDS", 0.5)
    async with FaultyServer({"mail": (FORGET, "250 ok")}) as server:
        account = dispatch.add(server.relay(max_connections=1))
        await asyncio.to_thread(dispatch.put, account, 3)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})
        dialled = server.connections
        async with dispatch.at_work():
            await asyncio.to_thread(dispatch.put, account, 3)
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert (dispatch.attempts, len(server.messages), server.connections - dialled) == (6, 6, 1)
    assert dispatch.events("relay.paused") == []


async def test_a_relay_that_is_always_silent_keeps_pipelining(
    dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once in a group and once command by command; then its silence is the message's deferral."""
    monkeypatch.setattr(smtp_session, "GROUP_SECONDS", 0.3)
    async with FaultyServer({"rcpt": HANG}) as server:
        timeouts = {**dict.fromkeys(("connect", "greeting", "ehlo", "data", "body", "eom"), 20), "mail": 1, "rcpt": 1}
        account = dispatch.add(server.relay(), timeouts=timeouts)
        await asyncio.to_thread(dispatch.put, account)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"deferred"})

    assert (dispatch.attempts, server.connections, dispatch.relay(account).learnt) == (1, 2, None)


async def test_pipelining_can_be_switched_off(dispatch: Dispatch) -> None:
    """By the relay's field."""
    async with FaultyServer({"mail": (FORGET, "250 ok")}) as server:
        account = dispatch.add(server.relay(max_connections=1, pipelining="off"))
        await asyncio.to_thread(dispatch.put, account, 3)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})

    assert server.connections == 1


@pytest.mark.parametrize(
    "script",
    [
        {"greeting": b"554 \xff no\0body\r\n"},
        {"greeting": b"421 \xff\xfe\r\n"},
        {"greeting": b"\xff\xfe\r\n"},
        {"ehlo": b"550 \xff\0\r\n"},
        {"auth": b"334 \xc3\xa9\r\n"},
        {"auth": b"535 5.7.8 \xff\0\r\n"},
        {"mail": b"421 \xff\0\r\n"},
    ],
    ids=str,
)
async def test_any_bytes_from_a_relay_can_be_recorded(
    own_database: Database, tmp_path: Path, script: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """They are the relay's trouble like any other, stored and shown, and never a tight loop."""
    dispatch = Dispatch(own_database, tmp_path)
    async with FaultyServer(script, mechanisms=("LOGIN",)) as server:
        account = dispatch.add(server.relay(max_connections=2))
        await asyncio.to_thread(dispatch.put, account)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.relay(account).retry_at)
            await dispatch.until(lambda: dispatch.statuses(account) == {"queued"})
            dialled = server.connections
            await asyncio.sleep(0.5)
            assert server.connections == dialled <= 4
            await dispatch.until(lambda: dispatch.deliveries(account)[0].last_smtp)

    (told,) = dispatch.events("relay.paused")
    assert told["reason"] == dispatch.relay(account).last_error
    assert "\0" not in told["reason"]
    assert told["reason"].encode()
    assert "Traceback" not in caplog.text


async def test_empty_lines_between_replies_are_ignored(dispatch: Dispatch) -> None:
    """Some relays send them."""
    async with FaultyServer({"ehlo": b"250 faulty.test\r\n\r\n", "mail": b"\r\n250 ok\r\n\r\n"}, tls="none") as server:
        account = dispatch.add(server.relay(username=None, password=None))
        await asyncio.to_thread(dispatch.put, account, 2)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})
