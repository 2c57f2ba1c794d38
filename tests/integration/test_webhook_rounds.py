"""When the webhook worker looks for due posts: at once where it took all that it had room for, else at a distance."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from mailsvc.runtime.cpu_pressure import CpuPressure
from mailsvc.telemetry import Meter
from mailsvc.webhooks import worker
from mailsvc.webhooks.endpoint import AHEAD_SLOW
from mailsvc.webhooks.post import Poster
from mailsvc.webhooks.worker import WebhookWorker
from tests.integration.test_webhook_worker import happen, subscribe
from tests.support.api import ApiHarness, Client
from tests.support.webhook_sink import Sink, open_sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    with open_sink() as sink:
        yield sink


@pytest.fixture
def furnishing() -> dict[str, Any]:
    return {"webhook_targets": "any"}


@pytest.fixture(autouse=True)
def never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the distance between rounds waits for longer than any test; no other work of the machine matters."""
    monkeypatch.setattr(worker, "CLAIM_DISTANCE", 3600.0)
    monkeypatch.setattr(CpuPressure, "is_high", lambda _: False)


class Watched(WebhookWorker):
    """Counts its looks into the database, and shows when its endpoint has room for nothing more."""

    looks = 0

    def __init__(self, harness: ApiHarness) -> None:
        parts = harness.services
        super().__init__(parts.database, parts.vault, parts.bell, owner="wrk_test", poster=Poster("any"), meter=Meter())
        self.is_full = asyncio.Event()

    def due_lanes(self, after: str, limit: int) -> list[tuple[str, int]]:
        self.looks += 1
        return super().due_lanes(after, limit)

    def room(self, lane_id: str) -> int:
        room = super().room(lane_id)
        if room == 0:
            self.is_full.set()
        return room


async def settle() -> None:
    """Let every task that has something to do run until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_backlog_without_room_is_not_looked_for_at_every_wake_up(
    harness: ApiHarness, alice: Client, sink: Sink
) -> None:
    """Each commit of a mail's result wakes the worker. The second look is due to the full claim, and finds no room."""
    subscribe(alice, sink, "/slow")
    sink.hanging.add("/slow")
    happen(harness, alice, 2 * AHEAD_SLOW)
    hooks, stop = Watched(harness), asyncio.Event()

    claiming = asyncio.create_task(hooks._claims.run(stop))
    await hooks.is_full.wait()
    for _ in range(20):
        await settle()
        hooks.wake()
    await settle()
    looks = hooks.looks
    claiming.cancel()
    stop.set()
    sink.release("/slow")
    await hooks.run(stop)

    assert (looks, len(sink.told("/slow"))) == (2, AHEAD_SLOW)


async def test_a_claim_that_filled_all_room_is_followed_by_another_at_once(
    harness: ApiHarness, alice: Client, sink: Sink
) -> None:
    """Which keeps the distance again when it has brought less."""
    subscribe(alice, sink, "/slow")
    sink.hanging.add("/slow")
    happen(harness, alice, AHEAD_SLOW)
    hooks, stop = Watched(harness), asyncio.Event()

    await hooks._claims._round()
    after_full_claim = hooks._distance()
    await hooks._claims._round()
    after_no_claim = hooks._distance()
    stop.set()
    sink.release("/slow")
    await hooks.run(stop)

    assert after_full_claim == 0.0 < after_no_claim
