"""Upkeep: one row or one chore that fails keeps nothing else from being done."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from mailsvc import clock
from mailsvc.domain.relay import Relay
from mailsvc.runtime import error_log
from mailsvc.runtime.wake import Bell
from mailsvc.store import migrate
from mailsvc.store.database import Database
from mailsvc.store.tables import idempotency
from mailsvc.telemetry import Meter
from mailsvc.upkeep import loop
from mailsvc.upkeep.chore import Chore
from mailsvc.upkeep.loop import Upkeep
from tests.support.dispatch import Dispatch

A_RELAY = Relay(id="rly_1", name="main", host="127.0.0.1", port=587, tls="starttls", username="u", password="p")


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_log, "_logged_at", {})


@pytest.fixture
def dispatch(tmp_path: Path) -> Any:
    database = Database(f"sqlite:///{tmp_path / 'mailsvc.db'}")
    migrate.upgrade(database)
    yield Dispatch(database, tmp_path)
    database.close()


def counts(dispatch: Dispatch, account: Relay) -> Counter[str]:
    """How many of its deliveries have which status."""
    return Counter(row.status for row in dispatch.deliveries(account))


async def upkeep_until(dispatch: Dispatch, is_so: Any) -> Meter:
    """Upkeep at work until this is so."""
    stop, meter = asyncio.Event(), Meter()
    work = asyncio.create_task(Upkeep(dispatch.database, Bell(dispatch.directory), meter).run(stop))
    try:
        await dispatch.until(is_so)
    finally:
        stop.set()
        await work
    return meter


async def test_a_delivery_that_cannot_expire_affects_no_other(
    dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All others that have expired end, and what was kept long enough goes."""
    account = dispatch.add(A_RELAY)
    await asyncio.to_thread(dispatch.put, account, 5)
    bad = dispatch.deliveries(account)[2].id
    with dispatch.database.write() as connection:
        connection.execute(text("UPDATE mailsvc_delivery SET expires_at = 1"))
        old = {"app_id": "app_1", "key": "k", "fingerprint": "f", "status": 202, "response": "{}", "created_at": 1}
        connection.execute(insert(idempotency).values(old))
    usual = loop.expire

    def expire(connection: Any, *, ids: Any, now: int) -> int:
        if bad in ids:
            raise ValueError("nobody foresaw it")
        return usual(connection, ids=ids, now=now)

    monkeypatch.setattr(loop, "expire", expire)

    def keys() -> int:
        with dispatch.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(idempotency)).scalar_one())

    await upkeep_until(dispatch, lambda: counts(dispatch, account) == {"expired": 4, "queued": 1} and keys() == 0)


async def test_a_failing_chore_is_postponed_and_the_others_run(
    dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr(loop, "pull_in", fail)
    monkeypatch.setattr(loop, "adopt_orphans", fail)
    account = dispatch.add(A_RELAY)
    await asyncio.to_thread(dispatch.put, account, 2)
    with dispatch.database.write() as connection:
        connection.execute(text("UPDATE mailsvc_delivery SET expires_at = 1"))

    meter = await upkeep_until(dispatch, lambda: counts(dispatch, account) == {"expired": 2})

    assert meter.snapshot()["counts"]["chore_failures"] >= 2


def test_a_chore_that_keeps_failing_backs_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes its usual turn again once it works."""
    works = False

    def step() -> bool:
        if not works:
            raise RuntimeError("nobody foresaw it")
        return False

    now = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    chore, pauses = Chore("a chore", step, every=1.0, meter=Meter()), []
    for _ in range(10):
        pauses.append(chore.turn())
        now += pauses[-1]
    works = True

    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert chore.turn() == 1
