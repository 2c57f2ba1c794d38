"""Feeds finished mails to an SMTP server over sessions that are reused: ``python -m bench.load.smtp``.

Plain and without AUTH, as an application hands mail to its own machine's Postfix. Orders: ``port``, ``messages``,
``sessions``. Each session sends MAIL, RCPT and DATA together where the server offers PIPELINING.
"""

import asyncio
import itertools
import time

from bench import mail
from bench.load.report import orders_from_arguments, report, wait_for_go

_HELLO = b"EHLO bench.app.test\r\n"


async def _reply(reader: asyncio.StreamReader, expected: bytes) -> bytes:
    line = await reader.readline()
    text = line
    while line[3:4] == b"-":
        line = await reader.readline()
        text += line
    if not line.startswith(expected):
        raise RuntimeError(f"the server said {line!r}")
    return text


async def _session(port: int, numbers: "itertools.count[int]", messages: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _reply(reader, b"220")
    writer.write(_HELLO)
    if b"PIPELINING" not in await _reply(reader, b"250"):
        raise RuntimeError("the server does not offer PIPELINING")
    while (number := next(numbers)) < messages:
        envelope = f"MAIL FROM:<{mail.SENDER_ADDRESS}>\r\nRCPT TO:<{mail.recipient(number)}>\r\nDATA\r\n"
        writer.write(envelope.encode())
        for code in (b"250", b"250", b"354"):
            await _reply(reader, code)
        writer.write(mail.wire(number) + b".\r\n")
        await _reply(reader, b"250")
    writer.write(b"QUIT\r\n")
    await _reply(reader, b"221")
    writer.close()


async def _feed(port: int, messages: int, sessions: int) -> dict[str, float]:
    numbers = itertools.count()
    started_at = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(sessions):
            group.create_task(_session(port, numbers, messages))
    return {"started_at": started_at, "ended_at": time.monotonic(), "cpu_s": time.process_time()}


if __name__ == "__main__":
    orders = orders_from_arguments()
    wait_for_go()
    report(asyncio.run(_feed(orders["port"], orders["messages"], orders["sessions"])))
