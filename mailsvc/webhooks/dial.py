"""Reaching an endpoint: resolve once, vet every answer, dial an address that was vetted. No name can be rebound in between."""

import asyncio
import ipaddress
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from mailsvc.domain.targets import TargetPolicy, vet

__all__ = ["Dialler", "Streams"]

CONNECT_SECONDS = 5.0
RESOLVERS = 32
READ_AHEAD = 64 * 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Dialler:
    """Opens connections.

    Args:
        policy: which addresses may be dialled.
        ca_pem: CAs to trust instead of the system's.
    """

    def __init__(self, policy: TargetPolicy, ca_pem: str | None) -> None:
        self._policy: TargetPolicy = policy
        self._ca_pem = ca_pem
        self._made_context: ssl.SSLContext | None = None
        # Threads of its own: a name server that hangs must not hold up the database's.
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")

    async def dial(self, host: str, port: int, *, tls: bool) -> Streams:
        """A connection to the first address of the host that answers.

        Raises:
            Forbidden: one of its addresses may not be dialled.
            OSError: there is no address, or none answers.
        """
        failure: OSError = OSError(f"{host} has no address")
        for address in await self._resolve(host, port):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(
                        str(address),
                        port,
                        limit=READ_AHEAD,
                        ssl=self._context if tls else None,
                        server_hostname=host if tls else None,
                    )
            except TimeoutError:
                failure = OSError(f"can't connect: {address} does not answer")
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = OSError(f"can't connect: {error}")
        raise failure

    def close(self) -> None:
        """Wait for nobody."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    @property
    def _context(self) -> ssl.SSLContext:
        # Loading the system's CAs costs time and memory: only who needs them pays for it.
        if self._made_context is None:
            self._made_context = ssl.create_default_context(cadata=self._ca_pem)
            self._made_context.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._made_context

    async def _resolve(self, host: str, port: int) -> list[Address]:
        try:
            look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            found = await asyncio.get_running_loop().run_in_executor(self._resolvers, look_up)
        except OSError as error:
            raise OSError(f"{host} can't be resolved") from error
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        vet(addresses, self._policy)
        return list(dict.fromkeys(addresses))
