"""The real service under abuse: it refuses clearly, its memory stays flat, and it goes on."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.support.service import Service

MIB = 1 << 20
PLAIN = {"from": "a@app.test", "to": "ok@sandbox.test", "subject": "s", "text": "t"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("abuse") / "data")
    service.start()
    yield service
    service.kill9()


@pytest.fixture(autouse=True)
def it_goes_on(service: Service) -> Iterator[None]:
    """Whatever a test does, an honest message is taken afterwards."""
    yield
    with service.client() as client:
        assert 202 == client.post("/v1/messages", json=PLAIN).status_code


def memory(service: Service) -> float:
    """MiB that all its processes hold together; shared pages count once."""
    return float(sum(process.memory_full_info().pss for process in service.processes())) / MIB


@contextmanager
def flat(service: Service, grows_by: float) -> Iterator[None]:
    """Memory afterwards is at most this many MiB above memory before."""
    before = memory(service)
    yield
    assert memory(service) - before < grows_by


def talk(service: Service, head: str, body: Iterator[bytes]) -> bytes:
    """Send as much as the service takes; the beginning of its answer."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        client.sendall(head.encode())
        try:
            for part in body:
                client.sendall(part)
        except OSError:
            pass  # it has heard enough
        return client.recv(300)


def head(service: Service, *lines: str, key: str | None = None) -> str:
    named = ["POST /v1/messages HTTP/1.1", "Host: x", f"Authorization: Bearer {key or service.api_key}"]
    return "\r\n".join([*named, "Content-Type: application/json", *lines]) + "\r\n\r\n"


def endless() -> Iterator[bytes]:
    """A thousand times 256 KiB, in chunks, and never an end."""
    return (b"40000\r\n" + b" " * 0x40000 + b"\r\n" for _ in range(1000))


def test_a_body_over_the_limit_is_refused_by_its_length(service: Service) -> None:
    """40 MiB are not even read."""
    with flat(service, 20):
        answer = talk(service, head(service, f"Content-Length: {40 * MIB}"), (b" " * 65536 for _ in range(640)))

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_an_endless_body_is_refused_at_the_limit(service: Service) -> None:
    """A body that does not say its length is read up to the limit, and refused rather than cut off."""
    with flat(service, 60):
        answer = talk(service, head(service, "Transfer-Encoding: chunked"), endless())

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_nothing_is_read_from_who_has_no_key(service: Service) -> None:
    """The key is looked at before the body (429 where a test before this one guessed)."""
    with flat(service, 20):
        answer = talk(service, head(service, "Transfer-Encoding: chunked", key="mk_wrong"), endless())

    assert answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 429 "))


def test_many_large_requests_at_once_keep_memory_flat(service: Service) -> None:
    """They take turns; who waits too long is told to come back."""
    body = b'{"from":"' + b"a" * (30 * MIB) + b'"}'
    with service.client() as client, flat(service, 50), ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/messages", content=body, headers=JSON), range(6)))

    assert {answer.status_code for answer in answers} <= {422, 503}


@pytest.mark.parametrize(
    "body", [b"[" * 20 * MIB, b"[" + b"[]," * 10 * MIB + b"[]]", b'{"a":' * MIB], ids=["deep", "wide", "nested"]
)
def test_json_made_to_swell_is_refused(service: Service, body: bytes) -> None:
    """Thirty megabytes of brackets cost no gigabyte."""
    with service.client() as client, flat(service, 80):
        answer = client.post("/v1/messages", content=body, headers=JSON)

    assert answer.status_code in (400, 413)


def test_slow_clients_do_not_stop_the_others(service: Service) -> None:
    """With many bodies that never come, everybody else is served."""
    with ExitStack() as stack, service.client() as client:
        for _ in range(40):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            slow.sendall(head(service, "Content-Length: 1000").encode() + b"{")
        statuses = [client.get("/v1/relays").status_code, client.post("/v1/messages", json=PLAIN).status_code]

    assert [200, 202] == statuses


def test_a_header_without_end_is_cut_off(service: Service) -> None:
    """Ten megabytes of header are refused or the connection is closed."""
    try:
        answer = talk(service, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", (b"a" * 65536 for _ in range(160)))
    except ConnectionError:
        answer = b""

    assert not answer or answer.startswith(b"HTTP/1.1 4")


def test_two_lengths_smuggle_nothing(service: Service) -> None:
    """Content-Length beside Transfer-Encoding never makes a second request (RFC 9112 section 6.3)."""
    both = head(service, "Content-Length: 5", "Transfer-Encoding: chunked")
    answer = talk(service, both, iter([b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert 1 == answer.count(b"HTTP/1.1")


def test_a_body_that_breaks_off_is_no_message(service: Service) -> None:
    """In chunks nothing but the last one tells that the body is whole; the connection is what ends here."""
    body = json.dumps(PLAIN | {"subject": "half"}).encode()
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(head(service, "Transfer-Encoding: chunked").encode() + b"%x\r\n%s\r\n" % (len(body), body))
    with service.client() as client:
        client.post("/v1/messages", json=PLAIN)
        found = client.get("/v1/messages", params={"q": "half"}).json()["data"]

    assert [] == found


def test_guessing_keys_is_slowed_down_but_the_right_key_works(service: Service) -> None:
    """401, soon 429; the owner behind the same address is not locked out."""
    with httpx.Client(base_url=service.url, trust_env=False) as guesser:
        statuses = {
            guesser.get("/v1/relays", headers={"Authorization": f"Bearer mk_{n}"}).status_code for n in range(60)
        }
    with service.client() as client:
        assert 200 == client.get("/v1/relays").status_code

    assert {401, 429} == statuses


def test_a_thousand_hostile_requests_leave_no_trace(service: Service) -> None:
    """Refusals are forgotten: memory stays, and no process was started again."""
    before = {process.pid for process in service.processes()}
    bodies = [b"\0", b"[" * 10_000, json.dumps(PLAIN | {"subject": "a\nb"}).encode(), b'{"from":"\xff"}']
    with service.client() as client, flat(service, 20):
        statuses = {client.post("/v1/messages", content=bodies[n % 4], headers=JSON).status_code for n in range(1000)}

    assert {400, 422} == statuses
    assert before == {process.pid for process in service.processes()}
