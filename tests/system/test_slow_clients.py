"""Slow clients and silent peers don't block other requests: each kind of waiting has its own bounded thread pool."""

import json
import selectors
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from mailsvc.api.feed import MOST_WAITING
from tests.support.service import Service

PLAIN = {"from": "a@app.test", "to": "ok@sandbox.test", "relay": "sandbox", "text": "t"}
PATIENCE = 5.0  # seconds of an honest client, far less than slow ones are borne with


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("slow") / "data")
    service.start()
    service.see_one_through()
    yield service
    service.kill9()


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(service: Service, clients: ExitStack, request: bytes) -> socket.socket:
    client = clients.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
    client.sendall(request)
    return client


def begin_body(service: Service, clients: ExitStack, length: int | None) -> None:
    """A message whose end does not come."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_key}\r\n"
    part = b'{"from":' if length else b'8\r\n{"from":\r\n'
    connect(service, clients, f"{head}Content-Type: application/json\r\n{size}\r\n\r\n".encode() + part)


def poll(service: Service, clients: ExitStack) -> socket.socket:
    head = f"GET /v1/events?after=now&wait=30&type=relay.paused HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_key}\r\n\r\n"
    return connect(service, clients, head.encode())


def assert_served(service: Service) -> None:
    """Everything that an honest client may ask is answered while the others are slow."""
    large = json.dumps(PLAIN | {"text": "x" * 3_000_000})
    with service.client() as client:
        client.timeout = httpx.Timeout(PATIENCE)
        assert [200, 200, 200] == [client.get(path).status_code for path in ("/readyz", "/healthz", "/v1/relays")]
        assert 202 == client.post("/v1/messages", json=PLAIN).status_code
        headers = {"Content-Type": "application/json"}
        assert 202 == client.post("/v1/messages", content=large, headers=headers).status_code


@pytest.mark.parametrize(("number", "length"), [(5, None), (100, 200_000), (100, 2_000_000), (100, 1000)])
def test_bodies_that_do_not_come_hold_up_nobody(
    service: Service, clients: ExitStack, number: int, length: int | None
) -> None:
    """Of whatever length, told or not: a body is complete before anything is held for it."""
    for _ in range(number):
        begin_body(service, clients, length)

    assert_served(service)


def test_checks_of_a_silent_relay_hold_up_nobody(service: Service) -> None:
    """So many at once have room, the others are told to come back."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent, service.client() as client:
        relay = {
            "name": "silent",
            "host": "127.0.0.1",
            "port": silent.getsockname()[1],
            "tls": "none",
            "enabled": False,
        }
        path = "/v1/relays/" + client.post("/v1/relays", json=relay).raise_for_status().json()["id"]
        client.patch(path, json={"timeouts": {"greeting": 8}}).raise_for_status()
        with ThreadPoolExecutor(40) as pool:
            checks = [pool.submit(client.post, path + "/check") for _ in range(40)]
            assert_served(service)
            answers = [check.result() for check in checks]
        client.delete(path).raise_for_status()

    assert {200, 503} == {answer.status_code for answer in answers}
    assert {True} == {"Retry-After" in answer.headers for answer in answers if answer.status_code == 503}


def test_a_thousand_wait_for_news_at_once(service: Service, clients: ExitStack) -> None:
    """None is answered before there is news, all are then; one more than that is told to come back."""
    polls = fill_up(service, clients, MOST_WAITING)
    assert [] == readable(polls, 0)
    refused = poll(service, clients).recv(2000)
    assert_served(service)
    with service.client() as client:
        for action in ("pause", "resume"):
            client.post(f"/v1/relays/{client.get('/v1/relays').json()['data'][0]['id']}/{action}").raise_for_status()
    heard = [client.recv(12) for client in polls]

    assert refused.startswith(b"HTTP/1.1 503 ") and b"retry-after: " in refused
    assert {b"HTTP/1.1 200"} == set(heard)


def fill_up(service: Service, clients: ExitStack, number: int) -> list[socket.socket]:
    """So many wait, and there is room for no other: a further one is refused, which is how it is seen."""
    polls: list[socket.socket] = []
    for _ in range(100):
        refused = set(readable(polls, 0)) if polls else set()  # those of a test before were not gone yet
        polls = [client for client in polls if client not in refused]
        polls += [poll(service, clients) for _ in range(number - len(polls))]
        with ExitStack() as briefly:
            if readable([poll(service, briefly)], 0.2) and not readable(polls, 0):
                return polls
    raise AssertionError(f"there is still room after {number}")


def readable(polls: list[socket.socket], seconds: float) -> list[socket.socket]:
    with selectors.DefaultSelector() as selector:
        for client in polls:
            selector.register(client, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(seconds)]  # type: ignore[misc]


def test_those_who_went_away_leave_their_place(service: Service) -> None:
    """A consumer that is started again and again does not shut itself out."""
    for _ in range(2):
        with ExitStack() as clients:
            polls = fill_up(service, clients, MOST_WAITING)
            assert [] == readable(polls, 0)


def test_connections_that_say_nothing_make_room_for_others(service: Service, clients: ExitStack) -> None:
    """The oldest of an address that never showed a key are closed when there are too many of them."""
    silent = [connect(service, clients, b"") for _ in range(700)]
    threading.Event().wait(1.2)  # how long anybody may take to begin
    silent += [connect(service, clients, b"GET") for _ in range(50)]
    assert_served(service)

    assert len(readable(silent[:500], 5)) > 100
