"""Posts mails to mailsvc over kept-alive connections, as lean as a client can be: ``python -m bench.load.http``.

Orders: ``port``, ``key``, ``messages``, ``connections`` and ``way``:

- ``batch``: ``size`` messages a request;
- ``single``: one message a request, every connection posts again as soon as it has its answer;
- ``paced``: one message a request at ``rate`` per second whatever the answers do; a latency counts from the time
  when the request was due, so that a stall is not hidden by posting less;
- ``gaps``: one at a time, 5 to 40 ms of nothing in between.

``kind`` is ``order`` (5 KB), ``code`` (small) or ``file`` (20 MB).

Requests are built before the clock starts. Answers are only collected while it runs; what they say is worked out when
the harness asks for it, after the last message has arrived.
"""

import base64
import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from bench import mail
from bench.load.connection import Connection, Group
from bench.load.report import orders_from_arguments, prepared, report, wait_for_go, wait_until_asked
from bench.quantiles import quantile

_PREPARED = 100_000  # messages: half a gigabyte of orders; what is beyond is built on the way
_SINGLE, _BATCH = "/v1/messages", "/v1/messages/batch"

Request = tuple[bytes, ...]  # pieces, so that large ones can share what they have in common


class Caller(Connection):
    """Posts, and posts again when it has its answer; with no more HTTP than that needs (RFC 9112)."""

    begun = 0.0
    _answer, _size = b"", 0

    def post(self, request: Request, begun: float) -> None:
        """Send it; the latency of its answer counts from ``begun``."""
        self.begun = begun
        self.send(*request)

    def answer(self) -> bytes | None:
        """Take what has come; the answer with its head once it is whole."""
        self._answer += self.receive()
        if not self._size:
            self._size = _size(self._answer)
        if not self._size or len(self._answer) < self._size:
            return None
        answer, self._answer, self._size = self._answer, b"", 0
        return answer


@dataclass(slots=True)
class Record:
    """What was answered."""

    answers: list[bytes] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)  # as ``answers``; monotonic
    took: list[float] = field(default_factory=list)  # seconds

    def add(self, answer: bytes, begun: float) -> None:
        """One answer, just now.

        Raises:
            RuntimeError: it is not 202.
        """
        if not answer.startswith(b"HTTP/1.1 202 "):
            raise RuntimeError(f"{answer[:700]!r}")
        self.answers.append(answer)
        self.begun.append(begun)
        self.took.append(time.monotonic() - begun)

    def messages(self) -> list[dict[str, Any]]:
        """Every message that was taken."""
        objects = [json.loads(answer[answer.index(b"\r\n\r\n") :]) for answer in self.answers]
        return [entry for found in objects for entry in found.get("data", [found]) if "id" in entry]


class Posting:
    """Requests on their way through a group of callers."""

    def __init__(self, callers: list[Caller], requests: Iterator[Request]) -> None:
        self.record = Record()
        self._requests = requests
        self._group = Group(callers)
        self._free = list(callers)
        self._callers = len(callers)

    def all(self, _: dict[str, Any]) -> None:
        """As fast as answers come."""
        for request in self._requests:
            while not self._free:
                self._collect()
            self._free.pop().post(request, time.monotonic())
        self._finish()

    def paced(self, orders: dict[str, Any]) -> None:
        """Each when it is due, or as soon after that as a caller is free."""
        started = time.monotonic()
        for number, request in enumerate(self._requests):
            due = started + number / orders["rate"]
            while not self._free or time.monotonic() < due:
                self._collect(max(0, due - time.monotonic()) if self._free else None)
            self._free.pop().post(request, due)
        self._finish()

    def gaps(self, _: dict[str, Any]) -> None:
        """One at a time."""
        chance = random.Random(1)
        for request in self._requests:
            time.sleep(chance.uniform(0.005, 0.040))
            self._free.pop().post(request, time.monotonic())
            self._finish()

    def _finish(self) -> None:
        while len(self._free) < self._callers:
            self._collect()

    def _collect(self, seconds: float | None = None) -> None:
        for caller in self._group.readable(seconds):
            if (answer := caller.answer()) is not None:
                self.record.add(answer, caller.begun)
                self._free.append(caller)


def _size(answer: bytes) -> int:
    """Of an answer of which this is the beginning; 0 where that is too little to tell."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = answer[: end + 2].lower()
    start = head.find(b"\r\ncontent-length:")
    if start < 0:
        raise RuntimeError(f"a response without Content-Length, which this client can't read: {head!r}")
    return end + 4 + int(head[start + 17 : head.index(b"\r\n", start + 17)])


def _requests(orders: dict[str, Any]) -> Iterator[Request]:
    messages, batch = orders["messages"], orders["way"] == "batch"
    head = (
        f"POST {_BATCH if batch else _SINGLE} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {orders['key']}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    bodies = _bodies(orders["kind"], messages)
    if batch:
        bodies = _batches(bodies, orders["size"])
    for first, *more in bodies:
        yield (b"%s%d\r\n\r\n%s" % (head, len(first) + sum(map(len, more)), first), *more)


def _batches(bodies: Iterator[Request], size: int) -> Iterator[Request]:
    while batch := [b"".join(body) for body in islice(bodies, size)]:
        yield (mail.batch_body(batch),)


def _bodies(kind: str, messages: int) -> Iterator[Request]:
    if kind == "file":
        content = base64.b64encode(os.urandom(15 << 20)).decode()
        attachment = {"filename": "report.pdf", "content_type": "application/pdf", "content": content}
        tail = json.dumps({"attachments": [attachment]}).encode()[1:]
        return ((mail.small_json_body(number)[:-1] + b",", tail) for number in range(messages))
    body = {"order": mail.json_body, "code": mail.small_json_body}[kind]
    return ((body(number),) for number in range(messages))


def _run(orders: dict[str, Any]) -> None:
    callers = [Caller(orders["port"]) for _ in range(orders["connections"])]
    posting = Posting(callers, prepared(_requests(orders), _PREPARED // orders.get("size", 1)))
    post = {"batch": posting.all, "single": posting.all, "paced": posting.paced, "gaps": posting.gaps}[orders["way"]]
    wait_for_go()
    started_at, cpu = time.monotonic(), time.process_time()
    post(orders)
    report({"started_at": started_at, "ended_at": time.monotonic(), "cpu_s": time.process_time() - cpu})
    wait_until_asked()
    report(_account(posting.record, orders["way"]))


def _account(record: Record, way: str) -> dict[str, object]:
    messages = record.messages()
    return {
        "accepted": len({message["id"] for message in messages}),
        "p50_ms": quantile(record.took, 0.50) * 1000,
        "p99_ms": quantile(record.took, 0.99) * 1000,
        "posted": _posted(messages, record) if way == "gaps" else {},
    }


def _posted(messages: list[dict[str, Any]], record: Record) -> dict[str, float]:
    return {m["message_id"].strip("<>"): at for m, at in zip(messages, record.begun, strict=True)}


if __name__ == "__main__":
    _run(orders_from_arguments())
