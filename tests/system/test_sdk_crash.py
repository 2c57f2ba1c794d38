"""No send of the SDK is lost or doubled while the service is killed and restarted."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from mailsvc_sdk import Accepted, AsyncMailsvc, Mailsvc, Retry
from tests.support.postgres import free_port
from tests.support.service import Service

PATIENT = Retry(attempts=200, seconds=150, cap=1)
THREADS, SENDS, KILLS = 50, 1000, 3


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path / "data", port=free_port()).start()
    yield running
    running.kill9()


class Killer:
    """Kills the service whenever so many more sends have returned, and starts it again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._returned = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def note(self) -> None:
        self._returned.release()

    def _run(self) -> None:
        for _ in range(KILLS):
            for _ in range(SENDS // (KILLS + 2)):
                self._returned.acquire()
            self._service.kill9()
            self._service.start()

    def join(self) -> None:
        self._thread.join()


def stored(mail: Mailsvc, tag: str) -> Counter[str]:
    return Counter(message.metadata["n"] for message in mail.messages.list(tag=tag))


def followed(mail: Mailsvc) -> list[str]:
    """The messages of all sends, in the order of the feed."""
    feed = mail.events.follow("beginning", types="message.queued", wait=1)
    return [str(event.message_id) for event in islice(feed, SENDS)]


def draft(n: int, tag: str) -> dict[str, object]:
    return {"from": "a@app.test", "to": "b@example.test", "text": "…", "tags": [tag], "metadata": {"n": str(n)}}


def require_each_once(results: list[Accepted], found: Counter[str]) -> None:
    assert len({result.id for result in results}) == SENDS
    assert found == Counter(str(n) for n in range(SENDS))


def test_sends_of_fifty_threads_happen_once_and_are_told_once(service: Service) -> None:
    killer = Killer(service)

    with Mailsvc(service.url, api_key=service.api_key, retry=PATIENT) as mail, ThreadPoolExecutor(THREADS + 1) as pool:
        following = pool.submit(followed, mail)

        def send(n: int) -> Accepted:
            accepted = mail.send(draft(n, "threads"))
            killer.note()
            return accepted

        results = list(pool.map(send, range(SENDS)))
        killer.join()
        require_each_once(results, stored(mail, "threads"))
        assert sorted(following.result()) == sorted(result.id for result in results)


def test_a_thousand_async_sends_happen_once(service: Service) -> None:
    killer = Killer(service)

    async def send(mail: AsyncMailsvc, n: int) -> Accepted:
        accepted = await mail.send(draft(n, "async"))
        killer.note()
        return accepted

    async def send_all() -> list[Accepted]:
        async with AsyncMailsvc(service.url, api_key=service.api_key, retry=PATIENT) as mail:
            return await asyncio.gather(*(send(mail, n) for n in range(SENDS)))

    results = asyncio.run(send_all())
    killer.join()
    with Mailsvc(service.url, api_key=service.api_key) as mail:
        require_each_once(results, stored(mail, "async"))
