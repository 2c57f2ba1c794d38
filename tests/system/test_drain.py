"""SIGTERM under load: what is under way is finished, what is not begun is given back, and nobody is charged for it."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mailsvc.store.database import Database
from mailsvc.store.tables import attempt, delivery, message
from tests.support.faulty import FaultyServer, Late
from tests.support.queuecheck import Clients, Ledger, verdict_on
from tests.support.receiver import Receiver
from tests.support.service import Service

RunService = Callable[..., Service]
MESSAGES, STOPS = 1200, 3
DRAIN_SECONDS = 10.0
MESSAGE = {"from": "app@app.test", "to": "user@example.test", "subject": "Hi", "text": "Hello"}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_stop_under_load_loses_and_doubles_nothing(
    run_service: RunService, tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    """Exit code 0 within ten seconds, no claim left behind, as many attempts as transactions."""
    receiver, ledger = Receiver(tmp_path / "receiver"), Ledger()
    url = request.getfixturevalue("postgres").fresh_database() if database == "postgresql" else ""
    service = run_service(relay_url=receiver.relay_url, **({"database_url": url} if url else {}))
    store = Database(url or f"sqlite:///{service.data_dir / 'mailsvc.db'}")
    clients = Clients(service, ledger, messages=MESSAGES)
    clients.start()
    for stop in range(STOPS):
        service.see_one_through()
        assert service.terminate(DRAIN_SECONDS) == 0, service.log()
        assert (stop, left_claimed(store), charged_too_much(store)) == (stop, 0, 0)
        service.start()
    clients.join()
    store.close()
    verdict = verdict_on(service, ledger, receiver, url)
    print(f"\n{database}: {verdict}")

    assert clients.failed == []
    assert verdict.keeps_the_promise(MESSAGES, duplicates=0), service.log()


def test_a_stop_answers_what_waits_for_its_commit(run_service: RunService) -> None:
    """202 for what is stored, and the process stays for as long as that takes."""
    service = run_service()
    service.see_one_through()
    store = Database(f"sqlite:///{service.data_dir / 'mailsvc.db'}")
    with ThreadPoolExecutor() as pool, service.client() as client:
        with store.write():  # nobody else can commit
            answers = [pool.submit(client.post, "/v1/messages", json=MESSAGE) for _ in range(5)]
            threading.Event().wait(0.5)  # for the requests to be under way
            code = pool.submit(service.terminate, DRAIN_SECONDS)
            threading.Event().wait(0.5)
        statuses = {answer.result().status_code for answer in answers}
        assert (0, {202}) == (code.result(), statuses), service.log()
    with store.read() as connection:
        assert 6 == connection.execute(select(func.count()).select_from(message)).scalar_one()
    store.close()


def test_told_twice_to_stop_it_still_answers(run_service: RunService) -> None:
    """The API's process hears it again from the kernel where the one that started it was killed."""
    service = run_service()
    service.see_one_through()
    store, api = Database(f"sqlite:///{service.data_dir / 'mailsvc.db'}"), service.process("mailsvc-api")
    with ThreadPoolExecutor() as pool, service.client() as client:
        with store.write():  # nobody else can commit
            answer = pool.submit(client.post, "/v1/messages", json=MESSAGE)
            threading.Event().wait(0.5)  # for it to be under way
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                api.send_signal(number)
                threading.Event().wait(0.1)
        assert 202 == answer.result().status_code
    store.close()
    api.wait(DRAIN_SECONDS)


def test_a_stop_does_not_wait_for_news(run_service: RunService) -> None:
    """Who waits for events is answered at once, with none."""
    service = run_service()
    service.see_one_through()
    with ThreadPoolExecutor() as pool, service.client() as client:
        poll = pool.submit(client.get, "/v1/events", params={"after": "now", "wait": 30})
        threading.Event().wait(1)  # for it to be under way
        begun = time.monotonic()
        code = service.terminate(DRAIN_SECONDS + 5)
        took = time.monotonic() - begun

        assert (0, 200, []) == (code, poll.result().status_code, poll.result().json()["data"])
    assert took < DRAIN_SECONDS / 2


@contextmanager
def slow_relay(seconds: float) -> Iterator[tuple[FaultyServer, str]]:
    """A relay that takes so long to answer the dot, and its URL."""
    server, ready, done = FaultyServer({"stored": Late(seconds, "250 ok")}, tls="none"), threading.Event(), []

    async def serve() -> None:
        end = asyncio.Event()
        done.append((asyncio.get_running_loop(), end))
        async with server:
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    yield server, f"smtp://127.0.0.1:{server.port}?tls=none"
    loop, end = done[0]
    loop.call_soon_threadsafe(end.set)
    thread.join()


def send_and_wait_for(service: Service, server: FaultyServer) -> None:
    with service.client() as client:
        assert client.post("/v1/messages", json=MESSAGE).status_code == 202
    deadline = time.monotonic() + 30
    while not server.messages:
        assert time.monotonic() < deadline, service.log()
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_reply_that_takes_its_time_is_still_recorded(run_service: RunService, number: int) -> None:
    """The mail is not sent twice; SIGHUP drains as well."""
    with slow_relay(7) as (server, url):
        service = run_service(relay_url=url)
        send_and_wait_for(service, server)
        assert service.first is not None
        service.first.send_signal(number)
        assert service.first.wait(DRAIN_SECONDS + 30) == 0
    store = Database(f"sqlite:///{service.data_dir / 'mailsvc.db'}")
    with store.read() as connection:
        assert connection.execute(select(delivery.c.status)).scalars().all() == ["sent"]
    store.close()


def test_told_twice_the_service_stops_at_once(run_service: RunService) -> None:
    """Whatever is under way."""
    with slow_relay(60) as (server, url):
        service = run_service(relay_url=url)
        send_and_wait_for(service, server)
        assert service.first is not None
        service.first.send_signal(signal.SIGTERM)
        threading.Event().wait(0.5)  # for the first one to be heard
        assert service.first.poll() is None
        service.terminate(DRAIN_SECONDS / 2)


def test_a_terminal_that_closes_does_not_end_what_was_started_by_nohup(run_service: RunService) -> None:
    """It asked not to hear of it."""
    service = run_service(start=False, wrapper=["nohup"])
    service.start()
    assert service.first is not None
    service.first.send_signal(signal.SIGHUP)
    service.see_one_through()
    assert service.terminate(DRAIN_SECONDS) == 0


def left_claimed(store: Database) -> int:
    with store.read() as connection:
        claimed = select(func.count()).select_from(delivery).where(delivery.c.status == "sending")
        return int(connection.execute(claimed).scalar_one())


def charged_too_much(store: Database) -> int:
    """Deliveries that count another number of attempts than they made."""
    made = select(func.count()).select_from(attempt).where(attempt.c.delivery_id == delivery.c.id).scalar_subquery()
    with store.read() as connection:
        return int(
            connection.execute(
                select(func.count()).select_from(delivery).where(delivery.c.attempts != made)
            ).scalar_one()
        )
