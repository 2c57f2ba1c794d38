"""One kept-alive HTTP/1.1 connection that posts JSON, with no more HTTP than that needs (RFC 9112)."""

import asyncio


class Connection(asyncio.Protocol):
    """Post, wait for the answer, post again."""

    def __init__(self, key: str) -> None:
        self._head = (
            f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()
        self._buffer = b""
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, port: int, key: str) -> "Connection":
        """Connect to loopback."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(key), "127.0.0.1", port)
        return connection

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """The answer's status and body."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(b"POST %s HTTP/1.1\r\n%s%d\r\n\r\n" % (path.encode(), self._head, len(body)))
        self._transport.write(body)
        return await self._waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._waiter is None:
            return
        size = end + 4 + _content_length(self._buffer[: end + 2].lower())
        if len(self._buffer) < size:
            return
        status, body = int(self._buffer[9:12]), self._buffer[end + 4 : size]
        self._buffer = self._buffer[size:]
        waiter, self._waiter = self._waiter, None
        waiter.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError("closed before the answer"))


def _content_length(head: bytes) -> int:
    start = head.find(b"\r\ncontent-length:")
    if start < 0:
        raise RuntimeError(f"an answer without Content-Length, which this client can't read: {head!r}")
    return int(head[start + 17 : head.index(b"\r\n", start + 17)])
