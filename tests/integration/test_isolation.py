"""One relay, lane, message or row that can't be worked off keeps nobody else from their turn, and is told."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from mailsvc.cli.checkup.routes import look_at_routes
from mailsvc.delivery import claimer, dialling, sender
from mailsvc.delivery.lane import Lane
from mailsvc.domain.relay import Relay
from mailsvc.runtime import error_log
from mailsvc.store import migrate
from mailsvc.store.database import Database
from mailsvc.store.tables import relay
from tests.support.dispatch import Dispatch
from tests.support.faulty import FaultyServer


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_log, "_logged_at", {})


@pytest.fixture
def dispatch(tmp_path: Path) -> Any:
    database = Database(f"sqlite:///{tmp_path / 'mailsvc.db'}")
    migrate.upgrade(database)
    yield Dispatch(database, tmp_path)
    database.close()


def only(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """Raise there, but for the relay that is well."""
    usual = getattr(owner, name)

    def poisoned(self: Any, *arguments: Any, **options: Any) -> Any:
        if getattr(self, "relay", None) is not None and self.relay.id == "rly_bad":
            raise OverflowError("cannot convert float infinity to integer")
        return usual(self, *arguments, **options)

    monkeypatch.setattr(owner, name, poisoned)


def poison_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = claimer.pack

    def pack(message_: Any, claims: Any, relay_: Relay, *arguments: Any, **options: Any) -> Any:
        if relay_.id == "rly_bad":
            raise ValueError("nobody foresaw it")
        return usual(message_, claims, relay_, *arguments, **options)

    monkeypatch.setattr(claimer, "pack", pack)


def poison_session(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = dialling.open_session

    async def open_session(relay_: Relay) -> Any:
        if relay_.id == "rly_bad":
            raise KeyError("nobody foresaw it")
        return await usual(relay_)

    monkeypatch.setattr(dialling, "open_session", open_session)


POISONS = {
    "room": lambda patch: only(patch, Lane, "room"),
    "settings": lambda patch: only(patch, Lane, "adopt"),
    "queue": lambda patch: only(patch, Lane, "put"),
    "packing": poison_pack,
    "session": poison_session,
}


@pytest.mark.parametrize("poison", list(POISONS))
async def test_a_failing_lane_affects_no_other(
    dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch, poison: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It backs off, and its relay, the doctor, the figures and the log say why; the others' mail goes out."""
    POISONS[poison](monkeypatch)
    async with FaultyServer() as server:
        good, bad = server.relay(id="rly_good", name="good"), server.relay(id="rly_bad", name="bad")
        for account in (good, bad):
            dispatch.add(account)
            await asyncio.to_thread(dispatch.put, account, 3)
        async with dispatch.at_work() as worker:
            await dispatch.until(lambda: dispatch.relay(bad).retry_at)
            await dispatch.until(lambda: dispatch.statuses(good) == {"sent"})
            await asyncio.to_thread(dispatch.put, good, 3)
            await dispatch.until(lambda: dispatch.statuses(good) == {"sent"})
            dispatch_errors = [r for r in caplog.records if r.levelname == "ERROR"]

    said = dispatch.relay(bad).last_error
    doctor = {f.check: f for f in await asyncio.to_thread(lambda: list(look_at_routes(dispatch.database)))}
    assert "internal error: " in said
    assert said in doctor["relay bad"].said
    assert (doctor["relay bad"].level, doctor["relay good"].level) == ("problem", "ok")
    assert worker.meter.snapshot()["counts"]["lane_failures"] >= 1
    assert 1 <= len(dispatch_errors) <= 3
    assert dispatch.attempts == 6


async def test_a_lane_with_failing_queries_affects_no_other(dispatch: Dispatch) -> None:
    """SQLite can't make a document of a row with bytes where there should be text."""
    async with FaultyServer() as server:
        good, bad = server.relay(id="rly_good", name="good"), server.relay(id="rly_bad", name="bad")
        for account in (bad, good):
            dispatch.add(account)
            await asyncio.to_thread(dispatch.put, account, 2)
        with dispatch.database.write() as connection:
            connection.execute(text("UPDATE mailsvc_delivery SET recipient = x'ff' WHERE relay_id = 'rly_bad'"))
        async with dispatch.at_work():
            await dispatch.until(lambda: len(server.messages) == 2)
            await dispatch.until(lambda: dispatch.relay(bad).retry_at)


async def test_a_stored_rate_out_of_bounds_still_works(dispatch: Dispatch) -> None:
    """It was let in before there were bounds."""
    async with FaultyServer() as server:
        account = dispatch.add(server.relay(), rate="9" * 309 + "/s")
        await asyncio.to_thread(dispatch.put, account, 3)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(account) == {"sent"})


@pytest.mark.parametrize("config", ["{}", "[]", "nonsense", '{"host": 7, "port": "x"}'])
async def test_an_unreadable_relay_row_affects_no_other(dispatch: Dispatch, config: str) -> None:
    """It says so itself."""
    async with FaultyServer() as server:
        good, bad = server.relay(id="rly_good", name="good"), server.relay(id="rly_bad", name="bad")
        for account in (bad, good):
            dispatch.add(account)
            await asyncio.to_thread(dispatch.put, account, 2)
        with dispatch.database.write() as connection:
            connection.execute(update(relay).where(relay.c.id == bad.id).values(config=config))
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.statuses(good) == {"sent"})
            await dispatch.until(lambda: dispatch.relay(bad).last_error)

    assert "can't be read" in dispatch.relay(bad).last_error
    assert dispatch.relay(bad).retry_at is not None


@pytest.mark.parametrize(
    "poison",
    [
        "UPDATE mailsvc_message SET size = 'large' WHERE id = :message",
        "UPDATE mailsvc_message SET envelope_sender = 'a' || char(13) || 'b@app.test' WHERE id = :message",
        "UPDATE mailsvc_delivery SET attempts = 'many' WHERE message_id = :message",
        "UPDATE mailsvc_delivery SET expires_at = 'never' WHERE message_id = :message",
        "DELETE FROM mailsvc_message_body WHERE message_id = :message",
        "DELETE FROM mailsvc_message WHERE id = :message",
    ],
)
async def test_an_unreadable_delivery_row_affects_no_other(dispatch: Dispatch, poison: str) -> None:
    """The same relay's other mail goes out, without a tight loop around this row."""
    async with FaultyServer() as server:
        account = dispatch.add(server.relay())
        await asyncio.to_thread(dispatch.put, account, 3)
        first = min(row.message_id for row in dispatch.deliveries(account))
        with dispatch.database.write() as connection:
            connection.execute(text(poison), {"message": first})
        async with dispatch.at_work():
            await dispatch.until(lambda: len(server.messages) == 2)
            await asyncio.to_thread(dispatch.put, account, 2)
            await dispatch.until(lambda: len(server.messages) == 4)
            claims = max(row.lease_token for row in dispatch.rows_as_they_are("mailsvc_delivery"))

    assert claims <= 4


async def test_a_failing_sender_is_restarted_after_a_pause(dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never in a tight loop; what it had in hand is given back."""
    began = []

    async def run(self: Any) -> None:
        began.append(self)
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr(sender.Sender, "run", run)
    async with FaultyServer() as server:
        account = dispatch.add(server.relay())
        await asyncio.to_thread(dispatch.put, account, 5)
        async with dispatch.at_work():
            await dispatch.until(lambda: dispatch.relay(account).retry_at)
            await asyncio.sleep(1)
            count = len(began)
            await dispatch.until(lambda: dispatch.statuses(account) == {"queued"})

    assert count <= 10
    assert json.loads(dispatch.deliveries(account)[0].last_smtp)["text"].startswith("internal error: RuntimeError")
