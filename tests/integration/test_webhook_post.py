"""One POST after another to endpoints that say strange things."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme

from mailsvc.webhooks.post import Poster

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def endpoint(serve: Serve) -> AsyncIterator[str]:
    """The URL of a server that lives until the block ends."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    poster = Poster("any", timeout=5)
    yield poster
    await poster.aclose()


@pytest.mark.parametrize(
    "said",
    ["Mon, 01 Jan 2024 00:00:00 +99999999999999999", f"{'9' * 30} Jan 2024 00:00:00 GMT", "9" * 5000, "soon", "\N{POUND SIGN}"],
)  # fmt: skip
async def test_any_retry_after_value_is_a_valid_response(poster: Poster, said: str) -> None:
    """What was taken would be posted again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(OK.replace(b"\r\n\r\n", f"\r\nRetry-After: {said}\r\n\r\n".encode()))

    async with endpoint(serve) as url:
        assert (await poster.post(url, b"{}", {})).status == 200


async def test_an_endpoint_is_verified_by_a_custom_ca() -> None:
    """By that of the webhook, else by that of the settings; by the system's it is a stranger."""
    ca = trustme.CA()
    ours, other = ca.cert_pem.bytes().decode(), trustme.CA().cert_pem.bytes().decode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(OK)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url, seen = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", []
    async with server:
        for usual, own in ((None, ours), (ours, None), (other, ours), (ours, other), (None, None)):
            posting = Poster("any", timeout=5, ca_pem=usual)
            answer = await posting.post(url, b"{}", {}, ca_pem=own)
            seen.append((answer.status, "certificate" in (answer.error or "")))
            await posting.aclose()

    assert seen == [(200, False)] * 3 + [(None, True)] * 2


@pytest.mark.parametrize("is_idle", [False, True], ids=["with the answer", "while it is idle"])
async def test_unsolicited_data_is_not_taken_for_a_response(poster: Poster, is_idle: bool) -> None:
    """A server gives up an idle connection with a 408: the next event goes over another one and is not refused."""
    was_answered, has_spoken = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(OK if is_idle else OK + TOO_LATE)
        if is_idle:
            await was_answered.wait()
            writer.write(TOO_LATE)
        writer.close()
        await writer.wait_closed()
        has_spoken.set()

    async with endpoint(serve) as url:
        first = await poster.post(url, b"{}", {})
        was_answered.set()
        await has_spoken.wait()
        second = await poster.post(url, b"{}", {})

    assert (first.status, second.status) == (200, 200)


async def test_an_unused_connection_is_closed() -> None:
    """Its webhook may be gone; kept for ever, such connections would take the room of those that are used."""
    is_closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(OK)
        await reader.read()
        is_closed.set()
        writer.close()

    poster = Poster("any", timeout=5, idle=0.05)
    async with endpoint(serve) as url:
        assert (await poster.post(url, b"{}", {})).status == 200
        async with asyncio.timeout(5):
            await is_closed.wait()
    await poster.aclose()
