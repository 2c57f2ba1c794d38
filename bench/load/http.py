"""Posts mails to mailsvc over kept-alive connections, as lean as a client can be: ``python -m bench.load.http``.

Orders: ``port``, ``key``, ``messages``, ``connections`` and ``way``:

- ``batch``: ``size`` messages a request;
- ``single``: one message a request, every connection posts again as soon as it has its answer;
- ``paced``: one message a request at ``rate`` per second whatever the answers do; a latency counts from the time
  when the request was due, so that a stall is not hidden by posting less;
- ``gaps``: one at a time, 5 to 40 ms of nothing in between.

``kind`` is ``order`` (5 KB), ``code`` (small) or ``file`` (20 MB).
"""

import asyncio
import base64
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from bench import mail
from bench.load.connection import Connection
from bench.load.report import orders_from_arguments, report, wait_for_go
from bench.quantiles import quantile

_SINGLE, _BATCH = "/v1/messages", "/v1/messages/batch"


@dataclass(slots=True)
class Record:
    """What was posted and answered."""

    answers: list[bytes] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)  # as ``answers``; monotonic
    took: list[float] = field(default_factory=list)  # seconds

    def add(self, status: int, answer: bytes, begun: float) -> None:
        """One answer, just now.

        Raises:
            RuntimeError: it is not 202.
        """
        if status != HTTPStatus.ACCEPTED:
            raise RuntimeError(f"{status}: {answer[:500]!r}")
        self.answers.append(answer)
        self.begun.append(begun)
        self.took.append(time.monotonic() - begun)

    def messages(self) -> list[dict[str, Any]]:
        """Every message that was taken."""
        objects = [json.loads(answer) for answer in self.answers]
        return [entry for found in objects for entry in found.get("data", [found]) if "id" in entry]


async def _post_all(orders: dict[str, Any], connections: list[Connection], record: Record) -> None:
    body, messages = _body_maker(orders["kind"]), orders["messages"]
    size = orders["size"] if orders["way"] == "batch" else 1
    starts = iter(range(0, messages, size))

    async def work(connection: Connection) -> None:
        for first in starts:
            bodies = [body(number) for number in range(first, min(first + size, messages))]
            path, data = (_SINGLE, bodies[0]) if orders["way"] == "single" else (_BATCH, mail.batch_body(bodies))
            begun = time.monotonic()
            record.add(*await connection.post(path, data), begun)

    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(work(connection))


async def _post_paced(orders: dict[str, Any], connections: list[Connection], record: Record) -> None:
    body = _body_maker(orders["kind"])
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for connection in connections:
        free.put_nowait(connection)

    async def post(number: int, due: float) -> None:
        connection = await free.get()
        record.add(*await connection.post(_SINGLE, body(number)), due)
        free.put_nowait(connection)

    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(orders["messages"]):
            due = started + number / orders["rate"]
            await asyncio.sleep(max(0, due - time.monotonic()))
            group.create_task(post(number, due))


async def _post_with_gaps(orders: dict[str, Any], connections: list[Connection], record: Record) -> None:
    body, chance = _body_maker(orders["kind"]), random.Random(1)  # noqa: S311 - only gaps
    for number in range(orders["messages"]):
        await asyncio.sleep(chance.uniform(0.005, 0.040))
        data = body(number)
        begun = time.monotonic()
        record.add(*await connections[0].post(_SINGLE, data), begun)


def _body_maker(kind: str) -> Callable[[int], bytes]:
    if kind == "file":
        content = base64.b64encode(os.urandom(15 << 20)).decode()
        attachment = {"filename": "report.pdf", "content_type": "application/pdf", "content": content}
        tail = json.dumps({"attachments": [attachment]}).encode()[1:]
        return lambda number: mail.small_json_body(number)[:-1] + b"," + tail
    return {"order": mail.json_body, "code": mail.small_json_body}[kind]


async def _run(orders: dict[str, Any]) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    connections = [await Connection.open(orders["port"], orders["key"]) for _ in range(orders["connections"])]
    record = Record()
    way = {"batch": _post_all, "single": _post_all, "paced": _post_paced, "gaps": _post_with_gaps}[orders["way"]]
    await loop.run_in_executor(None, wait_for_go)
    started_at = time.monotonic()
    await way(orders, connections, record)
    ended_at = time.monotonic()
    messages = record.messages()
    return {
        "started_at": started_at,
        "ended_at": ended_at,
        "accepted": len({message["id"] for message in messages}),
        "p50_ms": quantile(record.took, 0.50) * 1000,
        "p99_ms": quantile(record.took, 0.99) * 1000,
        "posted": _posted(messages, record) if orders["way"] == "gaps" else {},
        "cpu_s": time.process_time(),
    }


def _posted(messages: list[dict[str, Any]], record: Record) -> dict[str, float]:
    return {m["message_id"].strip("<>"): at for m, at in zip(messages, record.begun, strict=True)}


if __name__ == "__main__":
    report(asyncio.run(_run(orders_from_arguments())))
