"""Opens and closes breakers, and keeps what deliveries find out about relays in their rows."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypedDict

from mailsvc import clock
from mailsvc.apps import relay_state
from mailsvc.delivery.breaker import Breaker
from mailsvc.delivery.relay_profile import RelayProfile
from mailsvc.delivery.verdicts import smtp_of_trouble
from mailsvc.domain.backoff import relay_retry
from mailsvc.domain.relay import Relay
from mailsvc.smtp.trouble import RelayTrouble
from mailsvc.store.database import Database
from mailsvc.telemetry import Meter, facts, log

__all__ = ["RelayHealth"]

NOTE_SECONDS = 5.0  # the least time between writes of errors that open no breaker
UNREADABLE_SECONDS = 300.0  # before the next look at a relay whose row can't be used


class FailingLane(Protocol):
    """A relay's lane."""

    relay: Relay
    breaker: Breaker
    profile: RelayProfile

    def block(self, seconds: float) -> None: ...


class RelayHealth:
    """Opens breakers, and writes what becomes of relays.

    Args:
        write: runs a write in a thread; a write that fails is lost, and nothing else.
    """

    def __init__(self, database: Database, write: Callable[[Callable[[], None]], Any], meter: Meter) -> None:
        self._database, self._write, self._meter = database, write, meter
        self._noted: dict[str, tuple[str, float]] = {}

    async def failed(self, lane: FailingLane, trouble: RelayTrouble) -> None:
        """Stop using the relay for a while, longer after each failure in a row."""
        breaker = lane.breaker
        breaker.times_opened += 1
        now = self._database.now()
        retry_at = relay_retry(breaker.times_opened, now=now, chance=random.random())  # noqa: S311 - jitter
        lane.block((retry_at - now) / clock.SECOND)
        log.warning(
            "relay backs off", extra=facts(relay=lane.relay.name, stage=trouble.stage.value, reason=trouble.text)
        )
        await self._write(
            partial(
                relay_state.mark_backing_off,
                self._database,
                lane.relay.id,
                failures=breaker.times_opened,
                retry_at=retry_at,
                **_error_columns(lane.relay, trouble),
            )
        )

    async def recovered(self, lane: FailingLane) -> None:
        """A session got a reply about a message again."""
        log.info("relay works again", extra=facts(relay=lane.relay.name))
        await self._write(partial(relay_state.mark_working, self._database, lane.relay.id))

    async def troubled(self, lane: FailingLane, trouble: RelayTrouble) -> None:
        """A session failed and the breaker stays closed: keep the error, unless it was kept just now."""
        columns, now = _error_columns(lane.relay, trouble), clock.monotonic()
        before, at = self._noted.get(lane.relay.id, ("", 0.0))
        if not lane.breaker.is_closed or columns["last_error"] == before or now - at < NOTE_SECONDS:
            return
        self._noted[lane.relay.id] = (columns["last_error"], now)
        await self._write(partial(relay_state.note_error, self._database, lane.relay.id, **columns))

    async def learnt(self, lane: FailingLane) -> None:
        """Keep what the relay can't do, for all processes and for later starts."""
        await self._write(
            partial(relay_state.note_limits, self._database, lane.relay.id, lane.profile.learnt.to_json())
        )

    async def back_off(self, subject: Relay, trouble: RelayTrouble) -> None:
        """Stop using a relay whose row can't be read, for some minutes."""
        self._meter.count("lane_failures")
        retry_at = self._database.now() + int(UNREADABLE_SECONDS * clock.SECOND)
        columns = _error_columns(subject, trouble)
        await self._write(
            partial(relay_state.mark_backing_off, self._database, subject.id, failures=1, retry_at=retry_at, **columns)
        )


class _ErrorColumns(TypedDict):
    last_error: str
    last_smtp: str


def _error_columns(subject: Relay, trouble: RelayTrouble) -> _ErrorColumns:
    return {"last_error": trouble.in_words, "last_smtp": smtp_of_trouble(trouble, subject.host)}
