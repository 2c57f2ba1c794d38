"""Upkeep: ends what has expired, and drops in small steps what was kept long enough."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, select, tuple_
from sqlalchemy import delete as delete_from

from mailsvc import clock
from mailsvc.outcomes.steer import expire_due
from mailsvc.runtime.wake import DELIVER, EVENTS, NOTIFY, Bell
from mailsvc.store.database import Database, is_away
from mailsvc.store.tables import delivery, idempotency
from mailsvc.telemetry import log
from mailsvc.upkeep.horizon import pull_in
from mailsvc.upkeep.orphans import adopt_orphans

__all__ = ["Upkeep"]

EVERY_SECONDS = 1.0
AT_ONCE = 500
IDEMPOTENCY_KEPT = 24 * clock.HOUR


class Upkeep:
    """One loop; every step is small, so that it never stands in the way of sending."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._pruned_at = -3600.0
        self._has_pulled_in = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set."""
        while not stop.is_set():
            try:
                rest = await asyncio.to_thread(self._step)
            except Exception as error:  # noqa: BLE001 - the next round tries again
                if not is_away(error):
                    log.error("upkeep: unexpected", exc_info=error)
                rest = EVERY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await stop.wait()

    def _step(self) -> float:
        if not self._has_pulled_in:
            if self._write(partial(pull_in, now=self._database.now())):
                self._bell.ring(DELIVER, NOTIFY)
            self._has_pulled_in = True
        if self._expire():
            self._bell.ring(NOTIFY, EVENTS)
            return 0.05
        if clock.monotonic() - self._pruned_at > 60:
            self._pruned_at = clock.monotonic()
            if adopt_orphans(self._database):
                self._bell.ring(DELIVER)
            while self._write(partial(_drop_old_keys, now=self._database.now())):
                pass
        return EVERY_SECONDS

    def _expire(self) -> int:
        with self._database.read() as connection:
            if not _anything_expired(connection, self._database.now()):
                return 0
        return self._write(partial(expire_due, now=self._database.now(), limit=AT_ONCE))

    def _write(self, step: Callable[[Connection], int]) -> int:
        with self._database.write() as connection:
            return step(connection)


def _anything_expired(connection: Connection, now: int) -> bool:
    return connection.execute(select(delivery.c.id).where(delivery.c.expires_at <= now).limit(1)).first() is not None


def _drop_old_keys(connection: Connection, *, now: int) -> int:
    key = tuple_(idempotency.c.app_id, idempotency.c.key)
    old = (
        select(idempotency.c.app_id, idempotency.c.key)
        .where(idempotency.c.created_at < now - IDEMPOTENCY_KEPT)
        .limit(AT_ONCE)
    )
    return connection.execute(delete_from(idempotency).where(key.in_(old))).rowcount
