"""A worker in a process of its own: which roles share one, and what such a process asks of the system."""

import asyncio

from mailsvc.runtime.threads import DaemonThreads
from mailsvc.service.child import STOPPING
from mailsvc.service.roles import Worker
from mailsvc.service.tuning import allow_files
from mailsvc.settings import Settings
from mailsvc.telemetry import Meter

__all__ = ["crews", "run_worker"]

THREADS = 8  # that wait for the database
_APART = (("ingest",), ("notify", "intake"))
MOST_FILES = 16_384  # for a worker, whose relays may each have a thousand connections


def crews(roles: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the worker processes for these roles, by name. What arrives and webhooks must not slow down delivery.

    Nor must the take-up of submissions: composing messages in the worker's process took a third of its deliveries.
    """
    working = tuple(role for role in roles if role in ("deliver", "upkeep"))
    found = {"worker": working} if working else {}
    for group in _APART:
        if crew := tuple(role for role in group if role in roles):
            found[crew[0]] = crew
    return found


def run_worker(settings: Settings, roles: tuple[str, ...]) -> None:
    """Work until SIGTERM or SIGINT, then drain."""
    allow_files(MOST_FILES)
    asyncio.run(_work(Worker(settings, roles, meter=Meter())))


async def _work(worker: Worker) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_default_executor(DaemonThreads(THREADS, "worker"))
    for number in STOPPING:
        loop.add_signal_handler(number, stop.set)
    await worker.run(stop)
