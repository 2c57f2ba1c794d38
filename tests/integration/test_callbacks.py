"""Callbacks: each handler is called with every event it wants, in the feed's order, until it has returned."""

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from mailsvc.callbacks import follower, positions
from mailsvc.callbacks.callback import Callback
from mailsvc.callbacks.event import Event, Skip
from mailsvc.callbacks.follower import Post
from mailsvc.callbacks.worker import CallbackWorker
from mailsvc.cli import _mailsvc as main_group
from mailsvc.cli.checkup.callbacks import look_at_callbacks
from mailsvc.domain.ids import new_id
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.callback_tables import callback
from mailsvc.store.database import Database
from mailsvc.telemetry import Meter
from tests.support.api import ApiHarness, Client


def tell(harness: ApiHarness, app_id: str, *kinds: str) -> list[str]:
    """Append events to the feed. Returns their ids."""
    new = [NewEvent(app_id, kind, {}) for kind in kinds]
    with harness.database.write() as connection:
        append_events(connection, new, now=harness.database.now())
    return [item.id for item in new]


class Heard:
    """A handler that keeps the ids of its events, and fails at some of them as often as it is told to."""

    def __init__(self, failures: dict[str, int] | None = None, error: type[BaseException] = ValueError) -> None:
        self.ids: list[str] = []
        self.failures, self.error = failures or {}, error

    def __call__(self, event: Event) -> None:
        self.ids.append(event.id)
        if self.failures.get(event.id, 0) > 0:
            self.failures[event.id] -= 1
            raise self.error("not now")


def post(database: Database, *, dead: Callable[[], list[str]] = list) -> Post:
    return Post(database, new_id("wrk"), dead, Meter())


@asynccontextmanager
async def at_work(shared: Post, *callbacks: Callback) -> Any:
    """A process with these callbacks."""
    stop, worker = asyncio.Event(), CallbackWorker(callbacks, shared)
    work = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await work


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


def row(harness: ApiHarness, name: str = "shop") -> Any:
    with harness.database.read() as connection:
        return connection.execute(select(callback).where(callback.c.name == name)).first()


def everything(handler: Any, name: str = "shop", **more: Any) -> Callback:
    return Callback(**{"types": ("*",), "name": name, "handler": handler, "app": "shop", "start": "beginning"} | more)


@pytest.fixture(autouse=True)
def _retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "callback_retry", lambda _tries, *, now, chance: now)  # noqa: ARG005


async def test_a_handler_hears_what_it_wants_in_order(harness: ApiHarness, shop: Client) -> None:
    """Its position is behind all of it afterwards, and another start calls it with nothing again."""
    ids = tell(harness, shop.app_id, *["relay.paused", "relay.resumed"] * 60)
    all_, some = Heard(), Heard()
    wanted = ids[::2]
    callbacks = (everything(all_), everything(some, "paused", types=("relay.paused",)))
    async with at_work(post(harness.database), *callbacks):
        await until(lambda: len(all_.ids) == 120 and len(some.ids) == 60)
        ids += tell(harness, shop.app_id, "mailbox.failing")
        await until(lambda: len(all_.ids) == 121)
    again = Heard()
    async with at_work(post(harness.database), everything(again)):
        later = tell(harness, shop.app_id, "relay.paused")
        await until(lambda: again.ids)

    assert (all_.ids, some.ids, again.ids) == (ids, wanted, later)


async def test_a_new_name_begins_now_and_misses_nothing_from_then_on(harness: ApiHarness, shop: Client) -> None:
    """Also what came while no process ran."""
    tell(harness, shop.app_id, "relay.paused")
    handler = Heard()
    async with at_work(post(harness.database), everything(handler, start="now")):
        await until(lambda: row(harness))
    later = tell(harness, shop.app_id, "relay.resumed", "relay.paused")
    async with at_work(post(harness.database), everything(handler, start="now")):
        await until(lambda: len(handler.ids) == 2)

    assert handler.ids == later


async def test_a_handler_that_fails_is_called_again_and_holds_back_only_its_own(
    harness: ApiHarness, shop: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """With the same event, before the next one; the log says so each time."""
    first, second = tell(harness, shop.app_id, "relay.paused", "relay.resumed")
    failing, other = Heard({first: 2}), Heard()
    async with at_work(post(harness.database), everything(failing), everything(other, "other")):
        await until(lambda: len(failing.ids) == 4 and len(other.ids) == 2)

    assert (failing.ids, other.ids) == ([first, first, first, second], [first, second])
    told = [record for record in caplog.records if record.exc_info and record.facts["callback"] == "shop"]  # type: ignore[attr-defined]
    assert [record.facts["try"] for record in told] == [1, 2]  # type: ignore[attr-defined]
    assert row(harness).event_id is None


@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError, KeyboardInterrupt])
@pytest.mark.parametrize("is_async", [False, True])
async def test_whatever_a_handler_raises_is_a_failure(
    harness: ApiHarness, shop: Client, error: type[BaseException], is_async: bool
) -> None:
    """It ends neither the loop nor the host."""
    (id_,) = tell(harness, shop.app_id, "relay.paused")
    heard = Heard({id_: 1}, error)

    async def hear(event: Event) -> None:
        heard(event)

    async with at_work(post(harness.database), everything(hear if is_async else heard)):
        await until(lambda: len(heard.ids) == 2)

    assert heard.ids == [id_, id_]


async def test_a_function_that_returns_a_coroutine_is_done_when_that_is(harness: ApiHarness, shop: Client) -> None:
    """A decorator or a lambda around a coroutine function: what the coroutine raises counts as well."""
    ids = tell(harness, shop.app_id, "message.queued", "message.sent")
    heard = Heard({ids[0]: 1})

    async def handle(event: Event) -> None:
        await asyncio.sleep(0)
        heard(event)

    async with at_work(post(harness.database), everything(lambda event: handle(event))):
        await until(lambda: len(heard.ids) == 3)

    assert heard.ids == [ids[0], *ids]


async def test_a_handler_may_skip_an_event(harness: ApiHarness, shop: Client) -> None:
    ids = tell(harness, shop.app_id, "relay.paused", "relay.resumed")
    heard = Heard({ids[0]: 9}, Skip)
    async with at_work(post(harness.database), everything(heard)):
        await until(lambda: len(heard.ids) == 2)

    assert heard.ids == ids


async def test_after_so_many_tries_an_event_is_passed_over(harness: ApiHarness, shop: Client) -> None:
    """It is counted, and the next one comes."""
    ids = tell(harness, shop.app_id, "relay.paused", "relay.resumed")
    heard, shared = Heard({ids[0]: 9}), post(harness.database)
    async with at_work(shared, everything(heard, give_up_after=3)):
        await until(lambda: len(heard.ids) == 4)

    assert heard.ids == [*ids[:1] * 3, ids[1]]
    assert shared.meter.snapshot()["counts"]["callbacks.given_up"] == 1


async def test_what_is_known_of_a_failure_survives_the_process(harness: ApiHarness, shop: Client) -> None:
    """The row says which event fails, how often and why; the tries count on."""
    (id_,) = tell(harness, shop.app_id, "relay.paused")
    heard = Heard({id_: 99})
    async with at_work(post(harness.database), everything(heard)):
        await until(lambda: (found := row(harness)) and found.tries >= 2)
    tries = row(harness).tries
    async with at_work(post(harness.database), everything(heard)):
        await until(lambda: row(harness).tries > tries)

    assert (row(harness).event_id, row(harness).last_error) == (id_, "ValueError: not now")


class TestFromOutside:
    async def test_a_failing_event_is_skipped(
        self, harness: ApiHarness, shop: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While the process that calls waits for the next try."""
        monkeypatch.setattr(follower, "callback_retry", lambda _tries, *, now, chance: now + 10**9)  # noqa: ARG005
        bad, good = tell(harness, shop.app_id, "relay.paused", "relay.resumed")
        heard = Heard({bad: 99})
        async with at_work(post(harness.database), everything(heard)):
            await until(lambda: (found := row(harness)) and found.event_id == bad)
            with harness.database.write() as connection:
                positions.skip(connection, "shop", "shop", bad, now=harness.database.now())
            await until(lambda: heard.ids[-1] == good)

        assert heard.ids == [bad, good]

    async def test_only_the_event_that_fails_can_be_skipped(self, harness: ApiHarness, shop: Client) -> None:
        """Another one may not have been looked at yet."""
        (id_,) = tell(harness, shop.app_id, "relay.paused")
        heard = Heard()
        async with at_work(post(harness.database), everything(heard)):
            await until(lambda: heard.ids)
        with harness.database.write() as connection, pytest.raises(LookupError, match="it fails at none"):
            positions.skip(connection, "shop", "shop", id_, now=harness.database.now())
        with harness.database.write() as connection, pytest.raises(LookupError, match="no callback 'other'"):
            positions.skip(connection, "shop", "other", id_, now=harness.database.now())

    @pytest.mark.parametrize(("after", "again"), [("beginning", 3), ("first", 2), ("now", 0)])
    async def test_a_callback_is_rewound(self, harness: ApiHarness, shop: Client, after: str, again: int) -> None:
        """The process that calls notices, and begins anew there."""
        ids = tell(harness, shop.app_id, *["relay.paused"] * 3)
        heard = Heard()
        async with at_work(post(harness.database), everything(heard)):
            await until(lambda: len(heard.ids) == 3 and row(harness).position > 0)
            place = ids[0] if after == "first" else after
            with harness.database.write() as connection:
                positions.rewind(connection, "shop", "shop", place, now=harness.database.now())
            last = tell(harness, shop.app_id, "relay.resumed")
            await until(lambda: heard.ids[-1] == last[0])

        assert heard.ids == [*ids, *ids[3 - again :], *last]


class TestSeveralProcesses:
    async def test_a_name_is_called_by_one_at_a_time(self, harness: ApiHarness, shop: Client) -> None:
        """When it stops, the next one goes on where it was."""
        first, second = Heard(), Heard()
        ids = tell(harness, shop.app_id, *["relay.paused"] * 5)
        async with at_work(post(harness.database), everything(first)):
            await until(lambda: len(first.ids) == 5)
            async with at_work(post(harness.database), everything(second)):
                more = tell(harness, shop.app_id, *["relay.paused"] * 5)
                await until(lambda: len(first.ids) == 10)
                assert second.ids == []
        async with at_work(post(harness.database), everything(second)):
            last = tell(harness, shop.app_id, "relay.resumed")
            await until(lambda: second.ids)

        assert (first.ids, second.ids) == ([*ids, *more], last)

    async def test_the_lease_of_a_dead_process_is_free_at_once(self, harness: ApiHarness, shop: Client) -> None:
        """And what it had not finished is handled again."""
        ids = tell(harness, shop.app_id, "relay.paused")
        gone = post(harness.database)
        with harness.database.write() as connection:
            key, now = positions.Key(shop.app_id, "shop"), harness.database.now()
            positions.make_row(connection, key, from_beginning=True, now=now)
            positions.take(connection, key, owner=gone.owner, dead=(), now=now)
        heard = Heard()
        async with at_work(post(harness.database, dead=lambda: [gone.owner]), everything(heard)):
            await until(lambda: heard.ids)

        assert heard.ids == ids

    async def test_a_process_that_was_frozen_does_not_move_the_position_of_its_successor(
        self, harness: ApiHarness, shop: Client
    ) -> None:
        """It lost its lease while its handler ran; it notices at its next change."""
        ids = tell(harness, shop.app_id, *["relay.paused"] * 2)
        entered, may_return = threading.Event(), threading.Event()

        def hear(event: Event) -> None:  # noqa: ARG001
            entered.set()
            may_return.wait(20)

        async with at_work(post(harness.database), everything(hear)):
            await until(entered.is_set)
            with harness.database.write() as connection:
                positions.rewind(connection, "shop", "shop", ids[1], now=harness.database.now())
            position = row(harness).position
            may_return.set()
            await until(lambda: row(harness).lease_owner is not None)

            assert row(harness).position == position


async def test_the_position_is_kept_while_a_long_handler_runs(harness: ApiHarness, shop: Client) -> None:
    """A crash then repeats that one event only."""
    ids = tell(harness, shop.app_id, *["relay.paused"] * 3)
    may_return = threading.Event()

    def hear(event: Event) -> None:
        if event.id == ids[2]:
            may_return.wait(20)

    async with at_work(post(harness.database), everything(hear)):
        with harness.database.read() as connection:
            before_last = positions.events_after(connection, shop.app_id, 0, limit=3)[1].position
        await until(lambda: (found := row(harness)) and found.position == before_last)
        may_return.set()


async def test_a_callback_may_be_added_later(harness: ApiHarness, shop: Client) -> None:
    ids = tell(harness, shop.app_id, "relay.paused")
    heard = Heard()
    async with at_work(post(harness.database)) as worker:
        worker.add(everything(heard))
        await until(lambda: heard.ids)

    assert heard.ids == ids


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"types": ()}, "at least one event type"),
        ({"types": ("message.bouncd",)}, "is not an event type"),
        ({"name": "My Shop"}, "must have 1 to 100"),
        ({"start": "yesterday"}, "start must be"),
        ({"give_up_after": 0}, "at least 1"),
    ],
)
def test_a_callback_that_can_not_work_is_refused_where_it_is_registered(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        everything(Heard(), **wrong)


def test_the_command_lists_skips_and_rewinds(
    harness: ApiHarness, shop: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Wrong names and events are told in a sentence, with exit code 1; the doctor names what fails."""
    monkeypatch.setenv("MAILSVC_DATABASE_URL", harness.database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MAILSVC_DATA_DIR", str(tmp_path))
    (bad,) = tell(harness, shop.app_id, "relay.paused")
    key, now = positions.Key(shop.app_id, "shop"), harness.database.now()
    with harness.database.write() as connection:
        positions.make_row(connection, key, from_beginning=True, now=now)
        lease = positions.take(connection, key, owner="wrk_1", dead=(), now=now)
        assert isinstance(lease, positions.Lease)
        failure = positions.Failure(bad, 3, now, "ValueError: not now")
        positions.note_failure(connection, key, lease, 0, failure, now=now)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main_group, ["callbacks", *arguments])

    assert [bad in run("list").output, json.loads(run("list", "--json").output)["data"][0]["behind"]] == [True, 1]
    assert [finding.level for finding in look_at_callbacks(harness.database)] == ["problem"]
    assert (run("skip", "shop", "evt_0", "--app", "shop").exit_code, run("skip", "other", bad).exit_code) == (1, 1)
    assert run("skip", "shop", bad, "--app", "shop").exit_code == 0
    assert (row(harness).event_id, row(harness).position > 0) == (None, True)
    assert run("rewind", "shop", "--after", "beginning", "--app", "shop").exit_code == 0
    assert row(harness).position == 0
