"""The claim loop: finds lanes with due rows, asks each for its room, claims that many rows, waits until more are due."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol, TypeVar

from mailsvc import clock
from mailsvc.runtime.loop import Loop
from mailsvc.store.database import is_away
from mailsvc.store.leases import Quota

__all__ = ["ClaimLoop", "Lanes"]

LANES_AT_ONCE = 64
POLL_SECONDS = 1.0
LEAST_REST = 0.002
ENOUGH_FAILURES = 3  # lanes with a failed claim, before the database is taken to be unreachable

T = TypeVar("T")
DueLanes = list[tuple[str, int]]  # ids of lanes with unfinished rows, each with its first due time


class Lanes(Protocol):
    """A table whose rows are worked off in lanes: a lane per relay or webhook."""

    def hold_off(self) -> float:
        """The seconds during which nothing may be claimed; 0 if claims are allowed."""
        ...

    def due_lanes(self, after: str, limit: int) -> DueLanes:
        """The next lanes after this id that have unfinished rows. Called in a thread."""
        ...

    async def usable(self, due: DueLanes) -> list[str]:
        """The lanes among these that have due rows and may be used now."""
        ...

    def room(self, lane_id: str) -> int:
        """How many rows this lane can take now."""
        ...

    def wait(self, lane_id: str) -> float:
        """The seconds until this lane takes its due rows; 0 if unknown."""
        ...

    async def claim(self, wanted: Sequence[Quota]) -> Mapping[str, int]:
        """Claim rows and start work on them. Returns the number of claimed rows by lane."""
        ...

    async def failed(self, lane_id: str, error: Exception) -> None:
        """Count an error of ours that prevented work on this lane."""
        ...

    async def return_missing(self) -> None:
        """Release rows that were claimed by a transaction whose result never arrived."""
        ...


class ClaimLoop:
    """Works off a table in one process.

    Args:
        now: the queue's clock.
        lease_seconds: after so long, what a lost answer may have claimed is looked for.
        look_seconds: a lane whose last claim came back full is claimed for again without a look, for so long at most.
        distance: the seconds to wait before the next round.
        threads: where ``due_lanes`` is called.
    """

    def __init__(
        self,
        lanes: Lanes,
        *,
        now: Callable[[], int],
        lease_seconds: float,
        look_seconds: float = 0.0,
        distance: Callable[[], float],
        threads: Executor | None = None,
    ) -> None:
        self._lanes, self._now, self._threads = lanes, now, threads
        self._lease_seconds, self._look_seconds = lease_seconds, look_seconds
        self._loop = Loop(self._round, distance=distance)
        self._after = ""
        self._looked_at = float("-inf")
        self._missing_since: float | None = None  # a claim's reply was lost: rows may be ours without our knowledge
        self.backlogs: set[str] = set()  # lanes whose last claim returned as many rows as requested

    def wake(self) -> None:
        """There may be something to claim."""
        self._loop.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Claim until ``stop`` is set."""
        await self._loop.run(stop)

    async def _round(self) -> float:
        """Claim once for every lane with due rows. Returns the seconds to rest."""
        if (pause := self._lanes.hold_off()) > 0:
            return pause
        due: DueLanes = []
        wanted = await self._wanted(self._with_backlog())
        has_looked = not wanted
        if has_looked:
            due = await self._in_thread(self._look)
            usable = await self._lanes.usable(due)
            self.backlogs -= {lane_id for lane_id, _ in due}.difference(usable)  # nothing due, or not to be used now
            wanted = await self._wanted(usable)
        claimed = await self._claim_apart(wanted) if wanted else 0
        await self._look_for_missing()
        if claimed or self._after or not has_looked:
            return 0.0  # there may be more rows, or lanes that were not checked yet
        return self._rest(due)

    def _with_backlog(self) -> list[str]:
        """Lanes that certainly have more; from time to time none, so that other lanes get their turn."""
        now = clock.monotonic()
        if now - self._looked_at > self._look_seconds:
            self._looked_at = now
            return []
        return list(self.backlogs)[:LANES_AT_ONCE]

    def _look(self) -> DueLanes:
        """The next lanes in turn."""
        due = self._lanes.due_lanes(self._after, LANES_AT_ONCE)
        if len(due) < LANES_AT_ONCE and self._after:
            seen = {lane_id for lane_id, _ in due}
            first = self._lanes.due_lanes("", LANES_AT_ONCE - len(due))
            due += [lane for lane in first if lane[0] not in seen]
            self._after = ""
        elif len(due) == LANES_AT_ONCE:
            self._after = due[-1][0]
        return due

    async def _wanted(self, lane_ids: Sequence[str]) -> list[Quota]:
        wanted = []
        for lane_id in lane_ids:
            try:
                room = self._lanes.room(lane_id)
            except Exception as error:  # noqa: BLE001 - one lane must not block the others
                await self._failed(lane_id, error)
            else:
                wanted += [Quota(lane_id, room)] if room > 0 else []
        return wanted

    async def _claim_apart(self, wanted: Sequence[Quota]) -> int:
        """Claim for all lanes at once; if that fails, for each alone, so that one lane does not block the others."""
        try:
            return await self._claim(wanted)
        except Exception as error:
            if len(wanted) == 1:
                if is_away(error):
                    raise
                await self._failed(wanted[0].id, error)
                return 0
            return await self._claim_each(wanted, error)

    async def _claim_each(self, wanted: Sequence[Quota], error: Exception) -> int:
        claimed, failed = 0, {}
        for one in wanted:
            try:
                claimed += await self._claim([one])
            except Exception as flaw:  # noqa: BLE001 - an error of this lane
                failed[one.id] = flaw
                if len(failed) == min(ENOUGH_FAILURES, len(wanted)) and not claimed and is_away(flaw):
                    raise error from None  # the lanes are not the cause
        for lane_id, reason in failed.items():
            await self._failed(lane_id, reason)
        return claimed

    async def _claim(self, wanted: Sequence[Quota]) -> int:
        try:
            claimed = await self._lanes.claim(wanted)
        except BaseException:
            self._missing_since = clock.monotonic()
            raise
        for quota in wanted:
            is_full = claimed.get(quota.id, 0) >= quota.limit
            (self.backlogs.add if is_full else self.backlogs.discard)(quota.id)
        return sum(claimed.values())

    async def _failed(self, lane_id: str, error: Exception) -> None:
        self.backlogs.discard(lane_id)
        await self._lanes.failed(lane_id, error)

    async def _look_for_missing(self) -> None:
        began = self._missing_since
        if began is None or clock.monotonic() - began <= self._lease_seconds:
            return
        await self._lanes.return_missing()
        if self._missing_since == began:
            self._missing_since = None

    def _rest(self, due: DueLanes) -> float:
        """The seconds until the next row is due or a lane has room again; polling covers everything else."""
        now, rest = self._now(), POLL_SECONDS
        for lane_id, due_at in due:
            if not isinstance(due_at, int):  # an unreadable row, which ``usable`` leaves out
                continue
            rest = min(
                rest, (due_at - now) / clock.SECOND if due_at > now else self._lanes.wait(lane_id) or POLL_SECONDS
            )
        return max(rest, LEAST_REST)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)
