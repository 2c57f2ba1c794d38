"""How a relay stands with us, written down: its breaker, for whoever else sends by it, and for the application."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from sqlalchemy import select, update

from mailsvc import clock
from mailsvc.delivery.breaker import Breaker
from mailsvc.delivery.manners import Manners
from mailsvc.delivery.verdicts import smtp_of_trouble
from mailsvc.domain.backoff import relay_retry
from mailsvc.domain.relay import Relay
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.smtp.trouble import RelayTrouble
from mailsvc.store.database import Database
from mailsvc.store.tables import relay
from mailsvc.telemetry import facts, log, meter

__all__ = ["RelayHealth", "leave_alone", "write_standing"]

SELDOM_SECONDS = 5.0  # between notes of troubles that come and go
UNREADABLE_SECONDS = 300.0  # before a relay whose row can't be used is looked at again


class Troubled(Protocol):
    """A relay's lane."""

    relay: Relay
    breaker: Breaker
    manners: Manners

    def block(self, seconds: float) -> None: ...


class RelayHealth:
    """Opens breakers, and writes down what becomes of relays.

    Args:
        write: does it in a thread; what fails there is no more than not written down.
    """

    def __init__(self, database: Database, write: Callable[[Callable[[], None]], Any]) -> None:
        self._database, self.write = database, write
        self._noted: dict[str, tuple[str, float]] = {}

    async def failed(self, lane: Troubled, trouble: RelayTrouble) -> None:
        """Leave the relay alone for a while, and say so."""
        breaker = lane.breaker
        breaker.times_opened += 1
        now = self._database.now()
        retry_at = relay_retry(breaker.times_opened, now=now, chance=random.random())  # noqa: S311 - jitter
        lane.block((retry_at - now) / clock.SECOND)
        log.warning(
            "relay backs off", extra=facts(relay=lane.relay.name, stage=trouble.stage.value, reason=trouble.text)
        )
        values = {"failures": breaker.times_opened, "retry_at": retry_at, **_said(lane.relay, trouble)}
        await self._set(lane.relay, values, "relay.paused")

    async def recovered(self, lane: Troubled) -> None:
        """A session was of use again."""
        log.info("relay works again", extra=facts(relay=lane.relay.name))
        await self._set(lane.relay, {"failures": 0, "retry_at": None, "last_smtp": None}, "relay.resumed")

    async def troubled(self, lane: Troubled, trouble: RelayTrouble) -> None:
        """A session failed, and no pause follows: it is the relay's last error, but for what comes too often to be written."""
        said, now = _said(lane.relay, trouble), clock.monotonic()
        before, at = self._noted.get(lane.relay.id, ("", 0.0))
        if not lane.breaker.is_closed or said["last_error"] == before or now - at < SELDOM_SECONDS:
            return
        self._noted[lane.relay.id] = (said["last_error"], now)
        await self._set(lane.relay, said, None)

    async def learnt(self, lane: Troubled) -> None:
        """What it can't do holds for all who send by it, and after a start."""
        await self._set(lane.relay, {"learnt": lane.manners.learnt.to_json()}, None)

    async def _set(self, subject: Relay, values: dict[str, Any], event_type: str | None) -> None:
        await self.write(partial(write_standing, self._database, subject.id, values, event_type))


def _said(subject: Relay, trouble: RelayTrouble) -> dict[str, str]:
    return {"last_error": trouble.in_words, "last_smtp": smtp_of_trouble(trouble, subject.host)}


def leave_alone(database: Database, subject: Relay, trouble: RelayTrouble) -> None:
    """A relay that can't even be looked at: for some minutes."""
    meter.count("lane_failures")
    retry_at = database.now() + int(UNREADABLE_SECONDS * clock.SECOND)
    write_standing(
        database, subject.id, {"failures": 1, "retry_at": retry_at, **_said(subject, trouble)}, "relay.paused"
    )


def write_standing(database: Database, relay_id: str, values: dict[str, Any], event_type: str | None) -> None:
    """Set columns of the relay's row, and tell of it by an event of this type, where that is news."""
    with database.write() as connection:
        was = connection.execute(select(relay.c.retry_at).where(relay.c.id == relay_id).with_for_update()).first()
        if was is None:
            return
        changed = update(relay).where(relay.c.id == relay_id).values(**values).returning(relay)
        row = connection.execute(changed).one()
        if event_type is None or (was.retry_at is None) == (row.retry_at is None):
            return  # another process found out, too
        data = {
            "relay_id": row.id,
            "name": row.name,
            "reason": values.get("last_error"),
            "retry_at": clock.rfc3339(row.retry_at) if row.retry_at else None,
        }
        append_events(connection, [NewEvent(row.app_id, event_type, data)], now=database.now())
