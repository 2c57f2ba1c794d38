"""The intake's worker: what wakes it, whose turn it is, and how long what can't be taken waits."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, make_url, select

from mailsvc.domain.errors import Unavailable
from mailsvc.domain.ids import new_id
from mailsvc.intake import worker as worker_module
from mailsvc.intake.turns import Turns
from mailsvc.intake.watch import SqliteWatch, listen_to_postgresql
from mailsvc.intake.worker import IntakeWorker
from mailsvc.outbox.submissions.rows import GROUP_ROWS, QueuedApp, Row
from mailsvc.outbox.submissions.take_up import Group
from mailsvc.runtime.wake import Bell
from mailsvc.store.submission_tables import submission
from mailsvc.store.tables import event
from tests.support.api import ApiHarness, Client
from tests.support.messages import writer
from tests.support.postgres import Postgres
from tests.support.submissions import a_draft, add, rows_left, take_up_of

_SHOP = QueuedApp(b"shop")


async def _until(is_true: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not is_true():
            await asyncio.sleep(0.01)


async def _work_until(worker: IntakeWorker, is_true: Callable[[], bool]) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        await _until(is_true)
    finally:
        stop.set()
        await running


def _worker(harness: ApiHarness, tmp_path: Path) -> IntakeWorker:
    return IntakeWorker(harness.services.settings, take_up_of(harness), Bell(tmp_path), harness.services.meter)


def test_it_takes_up_what_other_programs_insert(
    harness: ApiHarness, shop: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 3600.0)  # only what wakes it helps

    async def play() -> None:
        worker = _worker(harness, tmp_path)
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        for _ in range(3):
            await asyncio.to_thread(add, harness.database, a_draft())
            await _until(lambda: not rows_left(harness.database))
        stop.set()
        await running

    asyncio.run(play())


def test_a_ring_that_comes_before_the_commit_is_enough(
    harness: ApiHarness, shop: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 3600.0)
    monkeypatch.setattr(worker_module, "LOOKS_AFTER_RING", (0.005, 0.5))

    async def play() -> None:
        worker = _worker(harness, tmp_path)
        looks = []
        round_ = worker._round
        monkeypatch.setattr(worker, "_round", lambda: looks.append(1) or round_())
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        await _until(lambda: len(looks) >= 1)
        worker.wake()
        await _until(lambda: len(looks) >= 3)
        await asyncio.to_thread(add, harness.database, a_draft())
        await _until(lambda: not rows_left(harness.database))
        stop.set()
        await running

    asyncio.run(play())


def test_apps_take_turns(harness: ApiHarness, shop: Client, tmp_path: Path) -> None:
    writer(harness, "zoo")
    rows = [{"id": new_id("msg"), "app": "shop", "draft": json.dumps(a_draft())} for _ in range(3 * GROUP_ROWS)]
    with harness.database.write() as connection:
        connection.execute(insert(submission), rows)
    add(harness.database, a_draft(), app="zoo")
    asyncio.run(_work_until(_worker(harness, tmp_path), lambda: not rows_left(harness.database)))
    with harness.database.read() as connection:
        apps = connection.execute(select(event.c.app_id).order_by(event.c.position)).scalars().all()
    assert [place for place, app in enumerate(apps) if app != shop.app_id] == [GROUP_ROWS]


def test_many_apps_that_can_not_be_served_let_the_worker_rest(harness: ApiHarness, tmp_path: Path) -> None:
    for n in range(130):
        harness.create_app(f"app-{n}")
    rows = [{"id": new_id("msg"), "app": f"app-{n}", "draft": json.dumps(a_draft())} for n in range(130)]
    with harness.database.write() as connection:
        connection.execute(insert(submission), rows)
    worker = _worker(harness, tmp_path)
    assert [worker._round() for _ in range(6)] == [True, True, False, True, True, False]


def test_a_thousand_apps_are_all_served(harness: ApiHarness, shop: Client, tmp_path: Path) -> None:
    """Apps that don't exist are as many turns as those that do."""
    rows = [{"id": new_id("msg"), "app": f"app-{n}", "draft": "{}"} for n in range(150)]
    with harness.database.write() as connection:
        connection.execute(insert(submission), rows)
    id_ = add(harness.database, a_draft())
    asyncio.run(_work_until(_worker(harness, tmp_path), lambda: id_ not in rows_left(harness.database)))


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _left(id_: str, *, error: Exception | None = None, **group: Any) -> Group:
    row = Row(id_, id_, _SHOP, None, 0, 10)
    return Group(left=[(row, error or ValueError("no relay"))], **group)


class TestTurns:
    def test_new_rows_do_not_wait_for_one_that_can_not_be_taken(self) -> None:
        turns = Turns(_Clock())
        turns.end(_SHOP, _left("msg_1"))
        assert turns.begin(_SHOP) == "msg_1"

    def test_what_could_not_be_taken_is_tried_again_with_growing_waits(self) -> None:
        now = _Clock()
        turns, waits = Turns(now), []
        for _ in range(9):
            turns.end(_SHOP, _left("msg_1"))
            begun = now.now
            while turns.begin(_SHOP):
                now.now += 0.5
            waits.append(now.now - begun)
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]

    def test_an_app_waits_while_the_queue_is_full(self) -> None:
        now = _Clock()
        turns = Turns(now)
        turns.end(_SHOP, _left("msg_1", error=Unavailable("full"), taken=3))
        assert turns.begin(_SHOP) is None and turns.begin(QueuedApp(b"blog")) == ""
        now.now = 1.0
        assert turns.begin(_SHOP) == ""

    def test_a_full_group_of_which_nothing_could_be_taken_is_followed_by_a_rest(self) -> None:
        now = _Clock()
        turns = Turns(now)
        turns.end(_SHOP, _left("msg_1", is_full=True))
        assert turns.begin(_SHOP) is None

    def test_a_full_group_is_followed_by_the_rows_after_it_and_soon_by_all(self) -> None:
        now = _Clock()
        turns = Turns(now)
        turns.end(_SHOP, Group(taken=500, is_full=True, last="msg_5"))
        assert turns.begin(_SHOP) == "msg_5"
        now.now = 1.0
        assert turns.begin(_SHOP) == ""
        turns.end(_SHOP, Group(taken=1))
        assert not turns._states

    def test_what_is_taken_at_last_is_forgotten(self) -> None:
        now = _Clock()
        turns = Turns(now)
        turns.end(_SHOP, _left("msg_1"))
        now.now = 1.0
        assert turns.begin(_SHOP) == ""
        turns.end(_SHOP, Group(taken=1))
        assert turns.begin(_SHOP) == "" and not turns._states


def test_a_watch_of_the_file_sees_rows_and_no_other_commits(tmp_path: Path, harness: ApiHarness) -> None:
    path = harness.database.url.database
    if harness.database.dialect != "sqlite" or path is None:
        pytest.skip("SQLite's")

    async def play() -> list[str]:
        seen: list[str] = []
        watch = SqliteWatch(path, lambda: seen.append("changed"))
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            for n in range(5):
                connection.execute("CREATE TABLE IF NOT EXISTS mailsvc_other (n)")
                connection.execute("INSERT INTO mailsvc_other VALUES (?)", [n])
                connection.commit()
                await asyncio.sleep(0.06)  # a look
            assert seen == []
            connection.execute("INSERT INTO mailsvc_submission (draft) VALUES ('{}')")
            connection.commit()
            await _until(lambda: seen == ["changed"])
            connection.execute("DROP TABLE mailsvc_other")
            connection.commit()
        watch.stop()
        return seen

    asyncio.run(play())


def test_a_listener_hears_the_trigger_and_connects_again(own_postgres: Postgres) -> None:
    url = own_postgres.fresh_database()
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (n int)")

    def notify() -> None:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("NOTIFY mailsvc, 'submission'")

    async def play() -> None:
        seen: list[int] = []
        listener = asyncio.create_task(listen_to_postgresql(make_url(url), lambda: seen.append(1)))
        await _until(lambda: len(seen) == 1)  # it listens
        await asyncio.to_thread(notify)
        await _until(lambda: len(seen) == 2)
        await asyncio.to_thread(own_postgres.stop)
        await asyncio.to_thread(own_postgres.start)
        await _until(lambda: len(seen) >= 3)
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)

    asyncio.run(play())
