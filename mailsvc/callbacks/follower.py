"""Follows the feed for one callback: takes its lease, calls the handler with each event, keeps the position."""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, TypeVar

from mailsvc import clock
from mailsvc.apps.apps import find_app
from mailsvc.callbacks import positions
from mailsvc.callbacks.callback import Callback, Handler
from mailsvc.callbacks.event import Event, Skip
from mailsvc.callbacks.positions import Failure, Key, Lease
from mailsvc.domain.backoff import callback_retry
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.loop import Loop
from mailsvc.store.database import Database
from mailsvc.telemetry import Meter, facts, log

__all__ = ["Follower", "Post"]

T = TypeVar("T")

PAGE = 200  # events that are read at once
COMMIT_EVENTS, COMMIT_SECONDS = 50, 0.2  # what is handled again after a crash at most
EXTEND_SECONDS = 20.0
POLL_SECONDS = 1.0
DISTANCE = 0.05  # seconds between two reads: every commit of a mail's result wakes us
FAR = 1000  # positions of events that nobody asked for, after which the position is committed all the same


@dataclass(frozen=True, slots=True)
class Post:
    """What the followers of a process share.

    Args:
        dead: the workers of this host whose process has ended.
    """

    database: Database
    owner: str
    dead: Callable[[], Collection[str]]
    meter: Meter


class Follower:
    """Calls one handler, one event at a time, while this process holds the callback's lease."""

    def __init__(self, callback: Callback, post: Post) -> None:
        self._callback, self._post = callback, post
        self._key: Key | None = None
        self._lease: Lease | None = None
        self._position = 0  # of the last event that is done with
        self._failure: Failure | None = None
        self._undone = 0  # events that would be handled again after a crash
        self._saved_at = clock.monotonic()
        self._read_at = float("-inf")
        self._stop = asyncio.Event()
        self._loop = Loop(self._step, distance=lambda: self._read_at + DISTANCE - clock.monotonic())

    def wake(self) -> None:
        """There may be new events."""
        self._loop.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until ``stop`` is set and the handler has returned."""
        self._stop = stop
        try:
            await self._loop.run(stop)
        finally:
            await self._give_back()

    async def _step(self) -> float:
        if self._lease is None and (wait := await self._take()):
            return wait
        self._read_at = clock.monotonic()
        rows = await self._read(self._next_page)
        if rows is None:  # another process took over, or somebody skipped an event or rewound the callback
            self._lease = None
            return 0.0
        for row in rows:
            if self._stop.is_set() or self._lease is None:
                return 0.0
            if (rest := await self._pass(row)) is not None:
                return rest
        if self._undone or self._position - self._committed > FAR or self._is_late(EXTEND_SECONDS):
            await self._save()
        return 0.0 if len(rows) == PAGE else POLL_SECONDS

    # The lease

    async def _take(self) -> float:
        """Take the lease. Returns the seconds until the next try, 0 if it was taken."""
        taken = await self._write(self._take_lease)
        if not isinstance(taken, Lease):
            left = POLL_SECONDS if taken is None else (taken - self._post.database.now()) / clock.SECOND
            return min(POLL_SECONDS, max(DISTANCE, left))
        self._lease, self._position, self._failure = taken, taken.position, taken.failure
        self._undone, self._saved_at = 0, clock.monotonic()
        return 0.0

    def _take_lease(self, connection: Any) -> Lease | int | None:
        now = self._post.database.now()
        app_id = self._key.app_id if self._key else find_app(connection, self._callback.app)
        if app_id is None:
            return None  # the app does not exist yet
        self._key = Key(app_id, self._callback.name)
        positions.make_row(connection, self._key, from_beginning=self._callback.start == "beginning", now=now)
        return positions.take(connection, self._key, owner=self._post.owner, dead=self._post.dead(), now=now)

    async def _give_back(self) -> None:
        if self._lease is None or self._key is None:
            return
        await self._save()
        if self._lease is not None:
            await self._write(partial(positions.release, key=self._key, lease=self._lease))
        self._lease = None

    # Events

    @property
    def _committed(self) -> int:
        return self._lease.position if self._lease else self._position

    def _next_page(self, connection: Any) -> Any:
        """The next events; None if the lease is lost."""
        if self._key is None or self._lease is None or not positions.is_held(connection, self._key, self._lease):
            return None
        return positions.events_after(connection, self._key.app_id, self._position, limit=PAGE)

    async def _pass(self, row: Any) -> float | None:
        """Have the event handled if it is wanted. Returns the seconds to wait, where it has to be handled again."""
        if not self._callback.wants(row.type):
            self._position = row.position
            return None
        if rest := self._seconds_until_retry(row.id):
            if self._is_late(EXTEND_SECONDS):
                await self._save()
            return min(rest, POLL_SECONDS)
        error = await self._call(Event.of(row.body, app=self._callback.app))
        if error is not None and not isinstance(error, Skip) and await self._must_repeat(row, error):
            return min(POLL_SECONDS, self._seconds_until_retry(row.id))
        self._note_done(row, error)
        if self._undone >= COMMIT_EVENTS or self._is_late(COMMIT_SECONDS):
            await self._save()
        return None

    def _note_done(self, row: Any, error: BaseException | None) -> None:
        self._position, self._failure = row.position, None
        self._undone += 1
        if isinstance(error, Skip):
            log.info(
                "a callback skipped an event", extra=facts(callback=self._callback.name, event=row.id, why=str(error))
            )
        self._post.meter.count("callbacks.skipped" if error else "callbacks.handled")

    def _seconds_until_retry(self, event_id: str) -> float:
        if self._failure is None or self._failure.event_id != event_id:
            return 0.0
        return max(0.0, (self._failure.retry_at - self._post.database.now()) / clock.SECOND)

    # The handler

    async def _call(self, event: Event) -> BaseException | None:
        """Call the handler; meanwhile, keep the position and the lease. Returns what it raised."""
        work = asyncio.ensure_future(_called(self._callback.handler, event))
        try:
            while not (await asyncio.wait({work}, timeout=self._until_save()))[0]:
                await self._save_if_possible()
        except asyncio.CancelledError:
            work.cancel()
            raise
        return work.result()

    def _until_save(self) -> float:
        patience = COMMIT_SECONDS if self._undone else EXTEND_SECONDS
        return max(0.01, self._saved_at + patience - clock.monotonic())

    async def _must_repeat(self, row: Any, error: BaseException) -> bool:
        """Note a failure. Returns whether the event has to be handled again."""
        tries = (self._failure.tries if self._failure and self._failure.event_id == row.id else 0) + 1
        named = facts(callback=self._callback.name, event=row.id, **{"try": tries})
        most = self._callback.give_up_after
        if most is not None and tries >= most:
            log.error("a callback failed for the last time, and its event is passed over", exc_info=error, extra=named)
            self._post.meter.count("callbacks.given_up")
            return False
        log.error("a callback failed, and will be called again with the same event", exc_info=error, extra=named)
        self._post.meter.count("callbacks.failed")
        retry_at = callback_retry(tries, now=self._post.database.now(), chance=random.random())  # noqa: S311 - spreads
        self._failure = Failure(row.id, tries, retry_at, f"{type(error).__name__}: {error}")
        await self._save()
        return True

    # The position

    def _is_late(self, seconds: float) -> bool:
        return clock.monotonic() - self._saved_at >= seconds

    async def _save(self) -> None:
        """Commit the position and extend the lease; notice if the lease is lost."""
        if self._lease is None or self._key is None:
            return
        if not await self._write(partial(self._write_position, key=self._key, lease=self._lease)):
            self._lease = None
            return
        self._lease = Lease(self._lease.token, self._position, self._failure)
        self._undone, self._saved_at = 0, clock.monotonic()

    async def _save_if_possible(self) -> None:
        """As ``_save``; while the handler runs, an error must not let it be called a second time beside itself."""
        try:
            await self._save()
        except Exception as error:  # noqa: BLE001 - the next time tries again
            log_error(error, callback=self._callback.name)
            self._saved_at = clock.monotonic()

    def _write_position(self, connection: Any, *, key: Key, lease: Lease) -> bool:
        now = self._post.database.now()
        if self._failure is not None:
            return positions.note_failure(connection, key, lease, self._position, self._failure, now=now)
        return positions.advance(connection, key, lease, self._position, now=now)

    async def _read(self, step: Callable[[Any], T]) -> T:
        def read() -> T:
            with self._post.database.read() as connection:
                return step(connection)

        return await asyncio.to_thread(read)

    async def _write(self, step: Callable[[Any], T]) -> T:
        def write() -> T:
            with self._post.database.write() as connection:
                return step(connection)

        return await asyncio.to_thread(write)


async def _called(handler: Handler, event: Event) -> BaseException | None:
    """Call the handler: in a thread, or in this loop if it is a coroutine function. Returns what it raised."""
    try:
        if iscoroutinefunction(handler) or iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
            await handler(event)
            return None
        given, error = await asyncio.to_thread(_called_in_thread, handler, event)
        if isawaitable(given):  # of a plain function around a coroutine function: nothing has happened yet
            await given
    except BaseException as raised:  # noqa: BLE001 - as below
        return raised
    return error


def _called_in_thread(handler: Handler, event: Event) -> tuple[Any, BaseException | None]:
    """Call the handler. Returns what it returned, and what it raised."""
    try:
        return handler(event), None
    except BaseException as error:  # noqa: BLE001 - SystemExit of a handler must not end the host
        return None, error
