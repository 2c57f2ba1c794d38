"""HTTP connections: what bounds the head of a request, and what happens to clients that never come to a point."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mailsvc.service import httpserver
from mailsvc.service.httpserver import MOST_HEAD, server_of
from mailsvc.service.listener import listen

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"POST /%b HTTP/1.1\r\nHost: here\r\n"


class Echo:
    """An application that tells which header fields it was given, after the body; or how long that was."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        size, more = 0, scope["path"] != "/without-body"
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        body = b"%d" % size if scope["path"] == "/size" else b",".join(name for name, _ in scope["headers"])
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def client() -> AsyncIterator[Streams]:
    """A connection to a server that runs in this test's event loop."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = server_of(Echo(), drain_seconds=1)
    serving = asyncio.create_task(server.serve([listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    yield reader, writer
    writer.close()
    server.should_exit = True
    await serving


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The next answer's head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
    return head, await reader.readexactly(length)


async def test_requests_follow_one_another_on_a_connection(client: Streams) -> None:
    reader, writer = client
    for _ in range(3):
        writer.write(HEAD % b"" + b"Content-Length: 2\r\n\r\nhi")
        head, body = await answer(reader)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert body == b"host,content-length"


async def test_a_head_that_is_too_large_is_refused(client: Streams) -> None:
    reader, writer = client
    fields = b"".join(b"X-%d: %b\r\n" % (n, b"x" * 1000) for n in range(MOST_HEAD // 1000 + 1))
    writer.write((HEAD % b"" + fields)[: MOST_HEAD + 1])
    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_an_endless_request_target_is_rejected(client: Streams) -> None:
    reader, writer = client
    writer.write(b"GET /".ljust(MOST_HEAD + 1, b"x"))
    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_a_large_body_is_no_large_head(client: Streams) -> None:
    reader, writer = client
    size = 4 * MOST_HEAD
    writer.write(HEAD % b"" + b"Content-Length: %d\r\n\r\n" % size)
    for _ in range(4):
        writer.write(b"x" * (size // 4))
        await writer.drain()
    assert (await answer(reader))[0].startswith(b"HTTP/1.1 200 ")


async def test_a_large_body_is_no_part_of_the_next_head(client: Streams) -> None:
    reader, writer = client
    first = HEAD % b"size" + b"Content-Length: %d\r\n\r\n" % (3 * MOST_HEAD) + b"x" * 3 * MOST_HEAD
    writer.write(first + HEAD % b"")
    assert (await answer(reader))[1] == b"%d" % (3 * MOST_HEAD)
    writer.write(b"Content-Length: 0\r\n\r\n")
    assert (await answer(reader))[1] == b"host,content-length"


async def test_trailer_fields_are_not_kept(client: Streams) -> None:
    """They may have no end (RFC 9112 section 7.1.2), and must not pass for fields of the head."""
    reader, writer = client
    writer.write(HEAD % b"" + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
    _, body = await answer(reader)
    assert body == b"host,transfer-encoding"


@pytest.mark.parametrize(
    ("begun", "more"), [(b"0\r\nX: ", b"x"), (b"1;", b"x"), (b"", b"0")], ids=["field", "extension", "length"]
)
async def test_trailers_and_chunk_extensions_are_bounded(client: Streams, begun: bytes, more: bytes) -> None:
    """A field behind the body would be kept, and copied as a whole with each piece of it that comes."""
    _, writer = client
    writer.write(HEAD % b"" + b"Transfer-Encoding: chunked\r\n\r\n" + begun)
    with pytest.raises(OSError):  # noqa: PT011 - a reset or a broken pipe
        for _ in range(100):
            writer.write(more * MOST_HEAD)
            await writer.drain()
            await asyncio.sleep(0)


async def test_a_body_may_come_in_many_pieces(client: Streams) -> None:
    """What stands between them is more than a head may have, but only in all."""
    reader, writer = client
    writer.write(HEAD % b"size" + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(4):
        writer.write(b"1\r\nx\r\n" * (MOST_HEAD // 4))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    assert (await answer(reader))[1] == b"%d" % MOST_HEAD


@pytest.mark.parametrize("is_split", [False, True], ids=["at once", "in two"])
@pytest.mark.parametrize(
    ("fields", "sent", "length"),
    [
        (b"Content-Length: 36\r\n", b"GET /evil HTTP/1.1\r\nHost: there\r\n\r\n".ljust(36), b"36"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"5"),
    ],
    ids=["length", "chunked"],
)
async def test_an_upgrade_request_is_answered_in_http_1_1(
    client: Streams, fields: bytes, sent: bytes, length: bytes, *, is_split: bool
) -> None:
    """Java's client asks for HTTP/2 with its first request. What follows is the body, and no request of its own."""
    reader, writer = client
    head = HEAD % b"size" + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\n" + fields
    for _ in range(2):
        writer.write(head + b"\r\n")
        if is_split:
            await asyncio.sleep(0.01)
        writer.write(sent)
        assert (await answer(reader))[1] == length
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.read(1)


@pytest.mark.usefixtures("_little_time")
@pytest.mark.parametrize(
    ("version", "connection"), [(b"1.0", b"Upgrade"), (b"1.1", b"Upgrade, close")], ids=["HTTP/1.0", "close"]
)
@pytest.mark.parametrize(
    ("fields", "sent", "length"),
    [(b"", b"", b"0"), (b"Content-Length: 5\r\n", b"hello", b"5")],
    ids=["without a body", "with a body"],
)
async def test_an_upgrade_request_with_connection_close_is_answered_first(
    client: Streams, version: bytes, connection: bytes, fields: bytes, sent: bytes, length: bytes
) -> None:
    """And what follows is not heard, as without the other protocol."""
    reader, writer = client
    line = b"POST /size HTTP/%b\r\nHost: here\r\n" % version
    writer.write(line + b"Connection: %b\r\nUpgrade: h2c\r\n" % connection + fields + b"\r\n" + sent)
    writer.write(HEAD % b"size" + b"\r\n")
    head, body = await answer(reader)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == length
    assert await reader.read() == b""


@pytest.mark.parametrize("fields", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"], ids=["plain", "upgrade"])
async def test_a_connect_request_gets_one_answer(client: Streams, fields: bytes) -> None:
    """What follows was meant for the tunnel, which there is not: it must not be obeyed."""
    reader, writer = client
    writer.write(b"CONNECT /size HTTP/1.1\r\nHost: here\r\n" + fields + b"\r\n" + HEAD % b"size" + b"\r\n")
    assert (await answer(reader))[1] == b"0"
    assert await reader.read(1) == b""


@pytest.fixture
def _little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpserver, "HEAD_SECONDS", 0.05)


@pytest.mark.usefixtures("_little_time")
@pytest.mark.parametrize(
    "begun", [b"", b"\r\n", HEAD % b"", HEAD % b"" + b"X: "], ids=["nothing", "a line", "a field", "a name"]
)
async def test_an_unfinished_request_head_times_out(client: Streams, begun: bytes) -> None:
    reader, writer = client
    writer.write(begun)
    assert await reader.read() == b""


@pytest.mark.usefixtures("_little_time")
async def test_an_unfinished_second_request_times_out(client: Streams) -> None:
    reader, writer = client
    writer.write(HEAD % b"" + b"Content-Length: 0\r\n\r\n")
    await answer(reader)
    writer.write(HEAD % b"")
    assert await reader.read() == b""


@pytest.mark.usefixtures("_little_time")
async def test_an_unread_body_is_not_received_forever(client: Streams) -> None:
    reader, writer = client
    writer.write(HEAD % b"without-body" + b"Transfer-Encoding: chunked\r\n\r\n")
    assert (await answer(reader))[0].startswith(b"HTTP/1.1 200 ")
    with pytest.raises(OSError):  # noqa: PT011 - a reset or a broken pipe
        while True:
            writer.write(b"2\r\nhi\r\n")
            await writer.drain()
            await asyncio.sleep(0)


@pytest.mark.usefixtures("_little_time")
async def test_a_slow_body_has_its_own_time(client: Streams) -> None:
    """The gateway's, which is longer than this connection may be without a request."""
    reader, writer = client
    writer.write(HEAD % b"" + b"Content-Length: 2\r\n\r\nh")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.read(1)
    writer.write(b"i")
    assert (await answer(reader))[0].startswith(b"HTTP/1.1 200 ")


async def test_connections_beyond_the_limit_are_rejected(client: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else no file is left for anything, and all stand still."""
    reader, writer = client
    monkeypatch.setattr(httpserver, "MOST_CONNECTIONS", 1)
    writer.write(HEAD % b"" + b"Content-Length: 0\r\n\r\n")
    await answer(reader)
    late, _ = await asyncio.open_connection(*writer.get_extra_info("peername"))
    assert (await late.read()).startswith(b"HTTP/1.1 503 ")
    writer.write(HEAD % b"" + b"Content-Length: 0\r\n\r\n")
    assert (await answer(reader))[0].startswith(b"HTTP/1.1 200 ")


async def test_anything_but_http_is_rejected(client: Streams) -> None:
    reader, writer = client
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


def test_accepted_connections_do_not_delay_small_packets() -> None:
    """As the kernel would by itself (RFC 896) with what is written in two pieces."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_host_is_bound_on_each_address_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """/etc/hosts may name an address of a family that the kernel is without."""
    here = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_APPLETALK, *here[1:]), here])
    with listen("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
