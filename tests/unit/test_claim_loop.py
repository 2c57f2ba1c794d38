"""The claim loop: every lane gets its turn, one lane's error is its own, and a claim whose answer was lost is found."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest

from mailsvc import clock
from mailsvc.runtime import claimloop
from mailsvc.runtime.claimloop import ClaimLoop
from mailsvc.store.leases import Quota

AWAY = ConnectionError("the database is away")


class Lanes:
    """Lanes with so many due rows each; a claim takes at most ``at_once`` of a lane."""

    def __init__(self, at_once: int = 2, **rows: int) -> None:
        self.rows, self.at_once = Counter(rows), at_once
        self.claimed: list[str] = []
        self.failures: list[str] = []
        self.returned = 0
        self.paused: set[str] = set()
        self.error_of: Callable[[Sequence[Quota]], Exception | None] = lambda _: None
        self.changed = asyncio.Event()

    def hold_off(self) -> float:
        return 0.0

    def due_lanes(self, after: str, limit: int) -> list[tuple[str, int]]:
        return [(id_, 0) for id_ in sorted(self.rows) if self.rows[id_] and id_ > after][:limit]

    async def usable(self, due: list[tuple[str, int]]) -> list[str]:
        return [id_ for id_, _ in due if id_ not in self.paused]

    def room(self, lane_id: str) -> int:  # noqa: ARG002
        return self.at_once

    def wait(self, lane_id: str) -> float:  # noqa: ARG002
        return 0.0

    async def claim(self, wanted: Sequence[Quota]) -> Mapping[str, int]:
        if error := self.error_of(wanted):
            raise error
        taken = {quota.id: min(quota.limit, self.rows[quota.id]) for quota in wanted}
        self.rows -= Counter(taken)
        self.claimed += [id_ for id_, count in taken.items() for _ in range(count)]
        self.changed.set()
        return taken

    async def failed(self, lane_id: str, error: Exception) -> None:  # noqa: ARG002
        self.failures.append(lane_id)
        self.changed.set()

    async def return_missing(self) -> None:
        self.returned += 1
        self.changed.set()


async def run_until(lanes: Lanes, is_done: Callable[[], bool], *, look_seconds: float = 0.0, lease: float = 60) -> None:
    """The loop at work until this is so."""
    loop = ClaimLoop(lanes, now=lambda: 1, lease_seconds=lease, look_seconds=look_seconds, distance=lambda: 0.0)
    stop = asyncio.Event()
    running = asyncio.create_task(loop.run(stop))
    async with asyncio.timeout(20):
        while not is_done():
            lanes.changed.clear()
            await lanes.changed.wait()
    stop.set()
    await running


async def test_all_rows_of_all_lanes_are_claimed() -> None:
    """However many lanes there are."""
    rows = {f"lane_{n:03}": 3 for n in range(150)}
    lanes = Lanes(**rows)
    await run_until(lanes, lambda: not lanes.rows)

    assert Counter(lanes.claimed) == rows


async def test_a_lane_whose_backlog_has_ended_does_not_make_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was claimed for without a look: before the rest comes the look."""
    monkeypatch.setattr(claimloop, "POLL_SECONDS", 3600.0)
    lanes = Lanes(big=4)

    def arrives_late(_: Sequence[Quota]) -> None:
        """During the claim that finds nothing any more."""
        if lanes.claimed == ["big"] * 4:
            lanes.rows["late"] = 1

    lanes.error_of = arrives_late
    await run_until(lanes, lambda: "late" in lanes.claimed, look_seconds=3600.0)

    assert lanes.claimed == ["big"] * 4 + ["late"]


async def test_a_paused_lane_has_no_backlog() -> None:
    """What is not to be claimed now is no reason to claim the rest without a distance."""
    lanes = Lanes(big=4)
    loop = ClaimLoop(lanes, now=lambda: 1, lease_seconds=60, distance=lambda: 0.0)
    await loop._round()
    before = set(loop.backlogs)
    lanes.paused.add("big")
    await loop._round()

    assert (before, loop.backlogs) == ({"big"}, set())


async def test_a_lane_that_can_not_be_claimed_for_is_alone_with_it() -> None:
    lanes = Lanes(bad=1, good=1, other=1)
    lanes.error_of = lambda wanted: ZeroDivisionError() if any(q.id == "bad" for q in wanted) else None
    await run_until(lanes, lambda: len(lanes.claimed) == 2 and bool(lanes.failures))

    assert sorted(lanes.claimed) == ["good", "other"]
    assert set(lanes.failures) == {"bad"}


async def test_a_row_with_an_unreadable_time_does_not_end_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite lets a row hold anything; the lanes leave it out, and so does the time of the next round."""
    lanes = Lanes(bad=1)
    lanes.paused.add("bad")
    monkeypatch.setattr(lanes, "due_lanes", lambda after, limit: [("bad", b"\xff"), ("worse", "soon")])  # noqa: ARG005
    loop = ClaimLoop(lanes, now=lambda: 1, lease_seconds=60, distance=lambda: 0.0)

    assert await loop._round() == claimloop.POLL_SECONDS


@pytest.mark.parametrize("count", [1, 2, 10])
async def test_no_lane_is_blamed_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("mailsvc.runtime.loop.REST_AFTER_ERROR", 0.0)
    lanes, tries = Lanes(**{f"lane_{n}": 1 for n in range(count)}), iter(range(40))
    lanes.error_of = lambda _: AWAY if next(tries, None) is not None else None
    await run_until(lanes, lambda: not lanes.rows)

    assert (len(lanes.claimed), lanes.failures) == (count, [])


async def test_what_a_lost_answer_had_claimed_is_looked_for_after_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; by then nobody who lives holds it."""
    monkeypatch.setattr("mailsvc.runtime.loop.REST_AFTER_ERROR", 0.0)
    monkeypatch.setattr(claimloop, "POLL_SECONDS", 0.0)
    now = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    lanes, tries = Lanes(lane=1), iter([AWAY])
    lanes.error_of = lambda _: next(tries, None)

    def has_passed_a_lease() -> bool:
        now[0] += 61.0 if lanes.claimed and not lanes.returned else 0.0
        lanes.rows["lane"] += not lanes.returned
        return bool(lanes.returned)

    await run_until(lanes, has_passed_a_lease)

    assert lanes.returned == 1
