"""An application's webhook endpoint that counts: ``python -m bench.hooks``. A call is known by its webhook-id."""

import asyncio

from bench.tally import Tally, announce

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Endpoint(asyncio.Protocol):
    """One kept-alive connection; requests carry Content-Length, as mailsvc's do."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise
        self._transport = transport
        self._tally.connections += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2].lower()
            size = end + 4 + int(_value(head, b"content-length"))
            if len(self._buffer) < size:
                return
            self._buffer = self._buffer[size:]
            self._tally.add(_value(head, b"webhook-id"))
            self._transport.write(_ANSWER)


def _value(head: bytes, name: bytes) -> bytes:
    start = head.index(b"\r\n" + name + b":") + len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()


async def _serve() -> None:
    tally = Tally()
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(tally), "127.0.0.1", 0, backlog=512)
    announce(server.sockets[0].getsockname()[1])
    await tally.serve_control()


if __name__ == "__main__":
    asyncio.run(_serve())
