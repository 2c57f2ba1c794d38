"""Connects to a host: resolves its name once, checks every address, and races them (RFC 8305).

A name with several addresses is reached as soon as one of them answers: one that swallows everything (a broken IPv6 route,
say) costs a quarter of a second. No name can be rebound between the vetting and the dialling.
"""

import asyncio
import ipaddress
import os
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import chain, zip_longest
from typing import Any

import msgspec

from mailsvc.domain.targets import TargetPolicy, vet
from mailsvc.forking import close_in_child

__all__ = ["Endpoint", "Unreachable", "connect", "open_socket"]

STAGGER = 0.25  # seconds between the starts of two attempts (RFC 8305 section 5)


class Unreachable(OSError):
    """No address could be connected; the text names each with its error."""


class _AllFailed(Exception):
    """All addresses have been tried."""


class Endpoint(msgspec.Struct, frozen=True):
    """One resolved address."""

    family: int
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.sockaddr[0])

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        return ipaddress.ip_address(str(self).partition("%")[0])


async def connect(
    host: str,
    port: int,
    *,
    seconds: float,
    policy: TargetPolicy = "any",
    setting: str = "MAILSVC_WEBHOOK_TARGETS",
    resolver: Executor | None = None,
) -> socket.socket:
    """Connect to the first address of the host that answers.

    Args:
        seconds: for resolving and connecting together.
        policy: which addresses may be dialled.
        setting: what decides so.
        resolver: where to wait for the name server; by default the event loop's own threads.

    Raises:
        Forbidden: one of its addresses may not be dialled.
        Unreachable: there is no address, or none answers in time.
    """
    fates: dict[Endpoint, str] = {}
    try:
        async with asyncio.timeout(seconds):
            endpoints = await _resolve(host, port, resolver)
            vet((endpoint.address for endpoint in endpoints), policy, setting=setting)
            fates.update(dict.fromkeys(endpoints, "no answer in time"))
            return await _race(endpoints, fates)
    except (TimeoutError, _AllFailed):
        raise Unreachable(_in_words(host, fates) or "the host name can't be resolved: no answer in time") from None


async def open_socket(endpoint: Endpoint) -> socket.socket:
    """Connect to this address; raises OSError."""
    made = close_in_child(socket.socket(endpoint.family, socket.SOCK_STREAM))
    try:
        made.setblocking(False)  # noqa: FBT003 - the standard library's signature
        await asyncio.get_running_loop().sock_connect(made, endpoint.sockaddr)
    except BaseException:
        made.close()
        raise
    return made


async def _resolve(host: str, port: int, resolver: Executor | None) -> list[Endpoint]:
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(resolver, look_up)
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no valid name"
        raise Unreachable(f"the host name can't be resolved: {said}") from error
    return _interleaved(dict.fromkeys(Endpoint(entry[0], entry[4]) for entry in found))


def _interleaved(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Alternate address families, starting with the resolver's first (RFC 8305 section 4)."""
    families: dict[int, list[Endpoint]] = {}
    for endpoint in endpoints:
        families.setdefault(endpoint.family, []).append(endpoint)
    return [endpoint for endpoint in chain.from_iterable(zip_longest(*families.values())) if endpoint is not None]


async def _race(endpoints: Sequence[Endpoint], fates: dict[Endpoint, str]) -> socket.socket:
    waiting, running = deque(endpoints), dict[asyncio.Task[socket.socket], Endpoint]()
    try:
        while waiting or running:
            if waiting:
                endpoint = waiting.popleft()
                running[asyncio.create_task(open_socket(endpoint))] = endpoint
            done, _ = await asyncio.wait(
                running, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if task.exception() is None:
                    del running[task]
                    return task.result()
                fates[running.pop(task)] = _fate(task.exception())
    finally:
        await _abandon(running)
    raise _AllFailed


async def _abandon(running: Iterable[asyncio.Task[socket.socket]]) -> None:
    """Cancel the other attempts, and close one that connected meanwhile."""
    tasks = list(running)
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, socket.socket):
            ended.close()


def _fate(error: BaseException | None) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else str(error)


def _in_words(host: str, fates: dict[Endpoint, str]) -> str:
    if len(fates) == 1 and str(next(iter(fates))) == host:
        return next(iter(fates.values()))
    return "; ".join(f"{endpoint} {fate}" for endpoint, fate in fates.items())
