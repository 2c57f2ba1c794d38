"""Connecting to a host with several addresses: real sockets on loopback, answers of the resolver made up."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from mailsvc.domain.targets import Forbidden
from mailsvc.runtime import dial


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the resolver give these addresses for any name."""

    def give(*addresses: str) -> None:
        def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
            families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
            return [(f, socket.SOCK_STREAM, 6, "", (a, port)) for f, a in zip(families, addresses, strict=True)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return give


@contextlib.contextmanager
def swallowing(address: str, port: int) -> Iterator[None]:
    """A host that drops our packets: its backlog is full."""
    with socket.create_server((address, port), backlog=0) as listening:
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield
        for filler in fillers:
            filler.close()


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """A host that answers at 127.0.0.1; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def reached(port: int, **given: Any) -> str:
    """The address that was reached."""
    with await dial.connect("relay.test", port, **{"seconds": 20, **given}) as made:
        return str(made.getpeername()[0])


async def test_the_next_address_is_tried_after_a_refusal(answers: Any) -> None:
    """At once, without waiting for its turn to end."""
    answers("127.0.0.9", "127.0.0.1")
    with listening() as port:
        assert await reached(port) == "127.0.0.1"


async def test_an_unresponsive_address_does_not_use_up_the_timeout(answers: Any) -> None:
    """A black-holed address costs a fraction of a second, not the whole timeout."""
    answers("127.0.0.9", "127.0.0.1")
    with listening() as port, swallowing("127.0.0.9", port):
        assert await reached(port) == "127.0.0.1"


async def test_a_broken_ipv6_route_does_not_prevent_a_connection(answers: Any) -> None:
    """The discard prefix leads nowhere (RFC 6666)."""
    answers("100::1", "100::2", "127.0.0.1")
    with listening() as port:
        assert await reached(port) == "127.0.0.1"


@pytest.mark.parametrize("addresses", [("127.0.0.8", "127.0.0.9"), ("127.0.0.9", "127.0.0.8")])
async def test_the_error_names_each_address_with_its_error(answers: Any, addresses: Sequence[str]) -> None:
    """Else nobody knows which of them to mend."""
    answers(*addresses)
    with listening() as port, swallowing("127.0.0.9", port), pytest.raises(dial.Unreachable) as caught:
        await reached(port, seconds=0.6)

    assert "127.0.0.8 connection refused" in str(caught.value)
    assert "127.0.0.9 no answer in time" in str(caught.value)


async def test_no_address_is_dialled_where_one_is_forbidden(answers: Any) -> None:
    """A name must not lead into our own network by its second address; the error names the setting."""
    answers("93.184.216.34", "169.254.169.254")
    with pytest.raises(Forbidden, match=r"169\.254\.169\.254 .*MAILSVC_RELAY_TARGETS"):
        await reached(25, policy="public", setting="MAILSVC_RELAY_TARGETS")


async def test_giving_up_leaves_no_socket_behind(answers: Any) -> None:
    """The attempts that lost, or were cancelled, are closed."""
    answers("127.0.0.9")
    with listening() as port, swallowing("127.0.0.9", port):
        attempt = asyncio.create_task(reached(port))
        while len(asyncio.all_tasks()) < 3:  # this one, the dial, and its attempt
            await asyncio.sleep(0.01)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

    assert asyncio.all_tasks() == {asyncio.current_task()}
