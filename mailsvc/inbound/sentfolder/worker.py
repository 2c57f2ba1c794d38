"""The worker for Sent folders: claims due jobs relay by relay, and carries out each relay's in one session, in a thread."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from mailsvc import clock
from mailsvc.inbound.sentfolder.round import Round, SentFolders
from mailsvc.outcomes.sent_jobs import LEASE, return_missing, take
from mailsvc.runtime.claimloop import ClaimLoop
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.stop import time_left
from mailsvc.runtime.threads import DaemonThreads
from mailsvc.store import leases
from mailsvc.store.leases import SENT_JOBS, DueSentJob, Quota

__all__ = ["SentFolderWorker"]

MOST_ROUNDS = 4  # sessions at the same time
JOBS_A_ROUND = 50
PAUSE = 10.0  # seconds, for a relay whose jobs could not be claimed or carried out through a fault of ours
STOP_SECONDS = 4.0


class SentFolderWorker:
    """The Sent folders' side of the claim loop (``claimloop.Lanes``); a lane is a relay."""

    def __init__(self, folders: SentFolders, *, owner: str) -> None:
        self._folders, self._database, self._owner = folders, folders.database, owner
        self._threads = DaemonThreads(MOST_ROUNDS, "sent-folder")
        self._rounds: dict[str, Round] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused_until: dict[str, float] = {}
        self._claims = ClaimLoop(self, now=self._database.now, lease_seconds=LEASE / clock.SECOND, distance=lambda: 0.0)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; sessions end then, and what they left is done later."""
        await self._claims.run(stop)
        for round_ in self._rounds.values():
            round_.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=time_left(stop, STOP_SECONDS))
        self._threads.shutdown(wait=False)

    # Called by the claim loop

    def hold_off(self) -> float:
        return 0.0

    def due_lanes(self, after: str, limit: int) -> list[tuple[str, int]]:
        with self._database.read() as connection:
            return leases.due_lanes(connection, SENT_JOBS, after=after, limit=limit)

    async def usable(self, due: list[tuple[str, int]]) -> list[str]:
        now = self._database.now()
        return [relay_id for relay_id, due_at in due if isinstance(due_at, int) and due_at <= now]

    def room(self, lane_id: str) -> int:
        is_paused = clock.monotonic() < self._paused_until.get(lane_id, 0.0)
        is_taken = lane_id in self._rounds or len(self._rounds) >= MOST_ROUNDS
        return 0 if is_paused or is_taken else JOBS_A_ROUND

    def wait(self, lane_id: str) -> float:  # noqa: ARG002 - the end of a round wakes the loop
        return 0.0

    async def claim(self, wanted: Sequence[Quota]) -> Mapping[str, int]:
        wanted = wanted[: MOST_ROUNDS - len(self._rounds)]
        jobs = await asyncio.to_thread(partial(take, self._database, wanted, owner=self._owner))
        by_relay: dict[str, list[DueSentJob]] = {}
        for job in jobs:
            by_relay.setdefault(job.relay_id, []).append(job)
        for relay_id, own in by_relay.items():
            self._start(relay_id, own)
        return Counter(job.relay_id for job in jobs)

    async def failed(self, lane_id: str, error: Exception) -> None:
        log_error(error, relay=lane_id)
        self._paused_until[lane_id] = clock.monotonic() + PAUSE

    async def return_missing(self) -> None:
        in_hand = {job.id for round_ in self._rounds.values() for job in round_.jobs}
        await asyncio.to_thread(return_missing, self._database, self._owner, in_hand)

    def _start(self, relay_id: str, jobs: list[DueSentJob]) -> None:
        round_ = self._rounds[relay_id] = Round(self._folders, relay_id, jobs)
        task = asyncio.create_task(self._carry_out(round_))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, round_: Round) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, round_.carry_out)
        except Exception as error:  # noqa: BLE001 - the leases end by themselves, and other relays go on
            await self.failed(round_.relay_id, error)
        finally:
            del self._rounds[round_.relay_id]
            self._claims.wake()
