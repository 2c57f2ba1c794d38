"""The intake's worker: a loop that takes up groups of rows, app by app, and what wakes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import make_url

from mailsvc import clock
from mailsvc.intake.turns import Turns
from mailsvc.intake.watch import SqliteWatch, listen_to_postgresql
from mailsvc.outbox.admission import lack_of_room
from mailsvc.outbox.submissions.rows import QueuedApp, Wanted, queued_apps
from mailsvc.outbox.submissions.take_up import Group, TakeUp
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.loop import Loop
from mailsvc.runtime.wake import DELIVER, EVENTS, NOTIFY, Bell
from mailsvc.settings import Settings
from mailsvc.telemetry import Meter

__all__ = ["IntakeWorker"]

POLL_SECONDS = 1.0
APPS_AT_ONCE = 64
LOOK_SECONDS = 0.05  # between looks for further apps, while some have full groups
# A ring is only a hint, which may come before the commit that it is about.
LOOKS_AFTER_RING = (0.005, 0.05)  # seconds


class IntakeWorker:
    """Takes up submissions in one process, beside those of other processes and hosts."""

    def __init__(self, settings: Settings, take_up: TakeUp, bell: Bell, meter: Meter) -> None:
        self._settings, self._take_up, self._bell, self._meter = settings, take_up, bell, meter
        self._database = take_up.builder.database
        self._turns = Turns()
        self._last_app: QueuedApp | None = None
        self._busy: list[QueuedApp] = []  # apps whose last group was full
        self._look_at = 0.0
        self._has_moved = False  # since the first app's last turn
        self._looks: list[float] = []
        self._is_stopping = False
        self._loop = Loop(self._step)

    def wake(self) -> None:
        """A program says that it inserts, or has inserted, a row."""
        self._looks = list(LOOKS_AFTER_RING)
        self._loop.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; the group in hand is finished."""
        stopper = asyncio.create_task(self._note_stop(stop))
        async with self._watching():
            await self._loop.run(stop)
        stopper.cancel()

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        if self._database.dialect == "sqlite":
            watch = SqliteWatch(self._database.url.database or "", self._loop.wake)
            try:
                yield
            finally:
                watch.stop()
            return
        url = make_url(self._settings.listen_url or self._database.url)
        listener = asyncio.create_task(listen_to_postgresql(url, self._loop.wake))
        try:
            yield
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def _note_stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._is_stopping = True

    async def _step(self) -> float:
        if await asyncio.to_thread(self._round):
            return 0.0
        return self._looks.pop(0) if self._looks else POLL_SECONDS

    def _round(self) -> bool:
        """Take up a group of each app that has rows. Returns whether there may be more at once."""
        is_look = not self._busy or clock.monotonic() >= self._look_at
        apps = self._look() if is_look else self._busy
        if apps and (lack := lack_of_room(self._settings)):
            log_error(OSError(lack))
            return False
        groups = {app: self._take_turn(app) for app in apps if not self._is_stopping}
        self._busy = [app for app, group in groups.items() if group and group.is_full]
        self._has_moved |= any(group and group.has_moved for group in groups.values())
        if not is_look or self._last_app is not None:
            return True
        has_moved, self._has_moved = self._has_moved, False
        return has_moved

    def _look(self) -> list[QueuedApp]:
        """The next apps that have rows; after the last of them, the first ones come again."""
        begun = clock.monotonic()
        with self._database.read() as connection:
            apps = queued_apps(connection, after=self._last_app, limit=APPS_AT_ONCE)
        self._last_app = apps[-1] if len(apps) == APPS_AT_ONCE else None
        # It takes long on PostgreSQL where a transaction that stays open keeps a million deleted rows in the index.
        now = clock.monotonic()
        self._look_at = now + max(LOOK_SECONDS, 10 * (now - begun))
        return apps

    def _take_turn(self, app: QueuedApp) -> Group | None:
        """Take up one group of the app; None while it must wait."""
        after = self._turns.begin(app)
        if after is None:
            return None
        group = self._take_up.take_up(Wanted(app, after))
        self._turns.end(app, group)
        if group.has_moved:
            self._tell(group)
        return group

    def _tell(self, group: Group) -> None:
        self._meter.count("accepted", group.taken)
        self._bell.ring(*([DELIVER] if group.taken else []), NOTIFY, EVENTS)
