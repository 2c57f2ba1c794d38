"""The benchmarks' load generators, against servers that make it hard for them."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import Any

import pytest

from bench import mail
from bench.load.report import load

PATIENCE = 10.0  # seconds until a thread that doesn't end has failed


@contextlib.contextmanager
def _server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Each connection has a thread, which ends when its client has gone; yields the port."""
    serving: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                serving.append(threading.Thread(target=serve, args=(client,), daemon=True))
                serving[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *serving):
                thread.join(PATIENCE)
    # One that goes on for ever would take its share of the processor from all later tests.
    assert not any(thread.is_alive() for thread in serving)


def _until(end: bytes, lines: Iterable[bytes]) -> bytes:
    """What comes before this line, or before the client goes."""
    return b"".join(takewhile(lambda line: line != end, lines))


class _Api:
    """Takes messages and answers in pieces."""

    def __init__(self, status: str = "202 Accepted") -> None:
        self.bodies: list[dict[str, Any]] = []
        self._status = status

    def __call__(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as lines:
            while head := _until(b"\r\n", lines):
                if not head.startswith(b"POST "):
                    return
                size = int(head.lower().split(b"content-length: ")[1].split()[0])
                body = json.loads(lines.read(size))
                self.bodies += body.get("messages", [body])
                taken = [{"id": m["subject"], "message_id": f"<{m['subject']}>"} for m in body.get("messages", [body])]
                answer = json.dumps({"data": taken} if "messages" in body else taken[0]).encode()
                text = f"HTTP/1.1 {self._status}\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer
                client.sendall(text[:20])
                client.sendall(text[20:-5])
                client.sendall(text[-5:])


@pytest.mark.parametrize(
    "orders",
    [
        {"way": "batch", "kind": "order", "connections": 2, "size": 200, "messages": 1001},
        {"way": "single", "kind": "code", "connections": 8, "messages": 100},
        {"way": "single", "kind": "file", "connections": 2, "messages": 3},
        {"way": "paced", "kind": "order", "connections": 2, "messages": 20, "rate": 1000},
        {"way": "gaps", "kind": "order", "connections": 1, "messages": 3},
    ],
    ids=lambda orders: f"{orders['way']}-{orders['kind']}",
)
def test_each_message_is_posted_once_and_each_answer_counted(orders: dict[str, Any]) -> None:
    """Also where a request is more than the kernel takes at once, and an answer comes in pieces."""
    api = _Api()
    with _server(api) as port, load("bench.load.http", {**orders, "port": port, "key": "k"}) as feeding:
        feeding.go()
        times = feeding.result(seconds=60)
        account = feeding.account(seconds=60)

    expected = {f"Your order {number}" for number in range(orders["messages"])}
    assert len(api.bodies) == orders["messages"]
    assert {body["subject"] for body in api.bodies} == expected
    assert account["accepted"] == orders["messages"]
    assert times["ended_at"] > times["started_at"]
    assert set(account["posted"]) == (expected if orders["way"] == "gaps" else set())


def test_a_refused_post_ends_the_load(capfd: pytest.CaptureFixture[str]) -> None:
    """What was not accepted is no throughput."""
    orders = {"way": "single", "kind": "code", "connections": 1, "messages": 1, "key": "k"}
    with _server(_Api("503 Not now")) as port, load("bench.load.http", {**orders, "port": port}) as feeding:
        feeding.go()
        with pytest.raises(RuntimeError):
            feeding.result(seconds=60)

    assert "503 Not now" in capfd.readouterr().err


def test_the_feeder_of_postfix_hands_in_each_mail_once() -> None:
    """With replies that come one by one, of several lines and torn."""
    contents: list[bytes] = []

    def serve(client: socket.socket) -> None:
        with client, client.makefile("rb") as lines:
            client.sendall(b"220 x\r\n")
            for line in lines:
                match line[:4]:
                    case b"EHLO":
                        client.sendall(b"250-x\r\n250-PIPE")
                        client.sendall(b"LINING\r\n250 DSN\r\n")
                    case b"DATA":
                        client.sendall(b"354 go on\r\n")
                        contents.append(_until(b".\r\n", lines))
                        client.sendall(b"250-taken\r\n25")
                        client.sendall(b"0 indeed\r\n")
                    case b"QUIT":
                        client.sendall(b"221 bye\r\n")
                        return
                    case _:
                        client.sendall(b"250 ok\r\n")

    with (
        _server(serve) as port,
        load("bench.load.smtp", {"port": port, "messages": 50, "sessions": 3}) as feeding,
    ):
        feeding.go()
        feeding.result(seconds=60)

    identities = [re.findall(rb"^Message-ID: <(\d+)@", content, re.MULTILINE) for content in contents]
    assert sorted(identities, key=str) == sorted(([b"%d" % number] for number in range(50)), key=str)
    assert {len(content) for content in contents} == {len(mail.wire(1)), len(mail.wire(10))}
