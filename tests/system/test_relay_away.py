"""A relay that is away: left alone, nobody's attempts are charged, and its return is no stampede."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from mailsvc.store.database import Database
from mailsvc.store.tables import attempt, relay
from tests.support.queuecheck import Clients, Ledger, verdict_on
from tests.support.receiver import Receiver
from tests.support.service import Service

RunService = Callable[..., Service]
MESSAGES, CONNECTIONS = 160, 4  # fewer than a connection may carry


@pytest.mark.timeout(120)
def test_a_relay_that_returns_meets_one_session_first(run_service: RunService, tmp_path: Path) -> None:
    """Three failures open its breaker; one session tries it, then as many as allowed, and all is sent once."""
    receiver, ledger = Receiver(tmp_path / "receiver"), Ledger()
    doorman = Doorman(receiver.port)
    url = receiver.relay_url.replace(f":{receiver.port}?", f":{doorman.port}?")
    service = run_service(relay_url=f"{url}&max_connections={CONNECTIONS}")
    service.see_one_through()
    doorman.close()
    clients = Clients(service, ledger, messages=MESSAGES)
    clients.start()
    clients.join()
    store = Database(f"sqlite:///{service.data_dir / 'mailsvc.db'}")
    wait_for(lambda: breaker(store) is not None, service)
    turned_away = doorman.turned_away
    with store.read() as connection:
        charged = connection.execute(select(func.count()).select_from(attempt)).scalar_one()
    doorman.open()
    with store.write() as connection:
        connection.execute(update(relay).values(retry_at=store.now()))  # as if the wait were over
    verdict = verdict_on(service, ledger, receiver)
    print(
        f"\n{verdict}, turned away {turned_away}, at most {doorman.most_at_once} at once, first {doorman.first_alone}"
    )
    store.close()

    assert verdict.keeps_the_promise(MESSAGES, duplicates=0), service.log()
    assert charged == 1  # the one that was sent before
    assert turned_away <= 3 * CONNECTIONS
    assert doorman.most_at_once <= CONNECTIONS
    assert doorman.first_alone


def breaker(store: Database) -> int | None:
    with store.read() as connection:
        return connection.execute(select(relay.c.retry_at)).scalar()


def wait_for(condition: Callable[[], bool], service: Service) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, service.log()
        time.sleep(0.02)


class Doorman:
    """Stands before a server and counts who comes; closed, it hangs up on everybody at once."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.turned_away = self.most_at_once = 0
        self.first_alone = True
        self._inside = self._came = 0
        self._is_open = True
        self._streams: set[asyncio.StreamWriter] = set()
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True).start()
        ready.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._shut)

    def open(self) -> None:
        self.most_at_once = self._came = 0
        self._is_open = True

    def _shut(self) -> None:
        self._is_open = False
        for stream in self._streams:
            stream.transport.abort()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._let_in, "127.0.0.1", 0)
        self.port: int = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:
            self.turned_away += 1
            writer.transport.abort()
            return
        self._came += 1
        self._inside += 1
        self.most_at_once = max(self.most_at_once, self._inside)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._streams |= {writer, inner_writer}
        await asyncio.gather(
            self._carry(reader, inner_writer), self._carry(inner_reader, writer, first=self._came == 1)
        )
        self._streams -= {writer, inner_writer}
        self._inside -= 1

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, first: bool = False) -> None:
        greeted = False
        try:
            while data := await reader.read(65536):
                if first and not greeted:
                    greeted, self.first_alone = True, self.first_alone and self._came == 1
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()
