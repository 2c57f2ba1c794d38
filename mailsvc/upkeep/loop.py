"""Upkeep: expires deliveries, and deletes old rows in small steps."""

import asyncio
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, select, tuple_
from sqlalchemy import delete as delete_from

from mailsvc import clock
from mailsvc.outcomes.expire import expire, expired
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.loop import Loop
from mailsvc.runtime.wake import DELIVER, EVENTS, NOTIFY, Bell
from mailsvc.store.database import Database, is_away
from mailsvc.store.tables import idempotency
from mailsvc.telemetry import Meter
from mailsvc.upkeep.chore import Chore
from mailsvc.upkeep.clock_setback import pull_in
from mailsvc.upkeep.contents import remove_contents
from mailsvc.upkeep.rehome import adopt_orphans

__all__ = ["Upkeep"]

EVERY_SECONDS = 1.0
PRUNE_SECONDS = 60.0
CONTENT_SECONDS = 10.0
LEAST_REST = 0.05
AT_ONCE = 500
IDEMPOTENCY_KEPT = 24 * clock.HOUR


class Upkeep:
    """One loop over several chores; every step is small, so that it does not delay sending."""

    def __init__(self, database: Database, bell: Bell, meter: Meter) -> None:
        self._database = database
        self._bell = bell
        self._has_pulled_in = False
        self._stuck: set[str] = set()  # deliveries that could not be ended; reset by the next round of pruning
        self._chores = (
            Chore("clock", self._pull_in, every=EVERY_SECONDS, meter=meter),
            Chore("expiry", self._expire_some, every=EVERY_SECONDS, meter=meter),
            Chore("orphans", self._adopt, every=PRUNE_SECONDS, meter=meter),
            Chore("idempotency keys", self._prune, every=PRUNE_SECONDS, meter=meter),
            Chore("contents", self._remove_contents, every=CONTENT_SECONDS, meter=meter),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set."""
        await Loop(self._turn).run(stop)

    async def _turn(self) -> float:
        return max(LEAST_REST, min([await asyncio.to_thread(chore.turn) for chore in self._chores]))

    def _pull_in(self) -> bool:
        if not self._has_pulled_in:
            if self._write(partial(pull_in, now=self._database.now())):
                self._bell.ring(DELIVER, NOTIFY)
            self._has_pulled_in = True
        return False

    def _expire_some(self) -> bool:
        ended = self._expire()
        if ended:
            self._bell.ring(NOTIFY, EVENTS)
        return ended > 0

    def _adopt(self) -> bool:
        self._stuck.clear()
        if adopt_orphans(self._database):
            self._bell.ring(DELIVER)
        return False

    def _prune(self) -> bool:
        return self._write(partial(_drop_old_keys, now=self._database.now())) > 0

    def _remove_contents(self) -> bool:
        return self._write(remove_contents) > 0

    def _expire(self) -> int:
        """Expire due deliveries, without those that can't be ended. Returns how many."""
        now = self._database.now()
        with self._database.read() as connection:
            ids = expired(connection, now=now, limit=AT_ONCE, besides=self._stuck)
        if not ids:
            return 0
        try:
            return self._write(partial(expire, ids=ids, now=now))
        except Exception as error:
            if is_away(error):
                raise
            return sum(self._expire_alone(id_, now) for id_ in ids)

    def _expire_alone(self, id_: str, now: int) -> int:
        try:
            return self._write(partial(expire, ids=[id_], now=now))
        except Exception as error:
            if is_away(error):
                raise
            log_error(error, delivery=id_)
            self._stuck.add(id_)
            return 0

    def _write(self, step: Callable[[Connection], int]) -> int:
        with self._database.write() as connection:
            return step(connection)


def _drop_old_keys(connection: Connection, *, now: int) -> int:
    key = tuple_(idempotency.c.app_id, idempotency.c.key)
    old = (
        select(idempotency.c.app_id, idempotency.c.key)
        .where(idempotency.c.created_at < now - IDEMPOTENCY_KEPT)
        .limit(AT_ONCE)
    )
    return connection.execute(delete_from(idempotency).where(key.in_(old))).rowcount
