"""The senders of one lane: tasks that start when there is work and wait while their session is worth keeping."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from mailsvc.delivery.sender import Sender

__all__ = ["SessionPool", "most_sessions"]

IDLE_SECONDS = 10.0  # lifetime of an unused session


def most_sessions(share: int, *, is_trying: bool) -> int:
    """How many sessions with a relay this process may have now.

    Args:
        share: our share of the relay's connections.
        is_trying: the relay was left alone; until it works again, one session tries.
    """
    return min(1, share) if is_trying else share


class SessionPool:
    """Sender tasks, one session each.

    Args:
        name: of the relay, for the tasks.
        make: a new sender.
        ended: called when a sender has ended, with what it raised if anything.
    """

    def __init__(self, name: str, make: Callable[[], Sender], ended: Callable[[BaseException | None], None]) -> None:
        self._name, self._make, self._ended = name, make, ended
        self._senders: dict[asyncio.Task[None], Sender] = {}
        self._background: set[asyncio.Task[None]] = set()  # asyncio keeps no strong references to tasks
        self._idle: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._senders)

    def wake_or_start(self, parcels: int, most: int) -> None:
        """Wake idle senders for waiting parcels, then start new ones while there are fewer than ``most``."""
        while parcels and self._idle:
            turn = self._idle.popleft()
            if not turn.done():
                turn.set_result(None)
                parcels -= 1
        while parcels > 0 and len(self._senders) < most:
            sender = self._make()
            task = asyncio.create_task(sender.run(), name=f"sender {self._name}")
            self._senders[task] = sender
            task.add_done_callback(self._task_ended)
            parcels -= 1

    async def wait_for_work(self) -> bool:
        """For an idle sender: wait until it is needed. Returns False once its session is not worth keeping."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(turn)
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await turn
        except TimeoutError:
            return False
        return True

    def wake_idle(self) -> None:
        """Wake idle senders, because something has changed."""
        for turn in self._idle:
            if not turn.done():
                turn.set_result(None)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this beside the senders."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def stop(self, grace: float) -> None:
        """Let what is under way finish for ``grace`` seconds, then cut it off."""
        self.wake_idle()
        for task, sender in list(self._senders.items()):
            if not sender.is_sending:
                task.cancel()  # dialling, or about to: no message depends on it
        if self._senders:
            await asyncio.wait(self._senders, timeout=grace)
        for task in list(self._senders):
            task.cancel()
        if self._senders:
            await asyncio.wait(self._senders, timeout=2)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._senders.pop(task, None)
        self._ended(None if task.cancelled() else task.exception())
