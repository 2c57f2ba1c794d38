"""Connects to an endpoint: a checked address of its host (see ``runtime.dial``), with TLS for https URLs."""

import asyncio
import ssl
from functools import lru_cache

from mailsvc.domain.targets import TargetPolicy
from mailsvc.runtime.dial import Unreachable, connect
from mailsvc.runtime.threads import DaemonThreads

__all__ = ["Dialler", "Streams"]

CONNECT_SECONDS = 5.0
RESOLVERS = 32
READ_AHEAD = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Dialler:
    """Opens connections.

    Args:
        policy: which addresses may be dialled.
    """

    def __init__(self, policy: TargetPolicy) -> None:
        self._policy: TargetPolicy = policy
        # Separate threads: a name server that hangs must not block the database's threads.
        self._resolvers = DaemonThreads(RESOLVERS, "resolver")

    async def dial(self, host: str, port: int, *, tls: bool, ca_pem: str | None) -> Streams:
        """Connect to the first address of the host that answers.

        Args:
            ca_pem: CAs to trust instead of the system's.

        Raises:
            Forbidden: one of its addresses may not be dialled.
            OSError: there is no address, or none answers.
        """
        try:
            raw = await connect(host, port, seconds=CONNECT_SECONDS, policy=self._policy, resolver=self._resolvers)
        except Unreachable as error:
            raise OSError(f"can't connect: {error}") from error
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(
                    sock=raw,
                    limit=READ_AHEAD,
                    ssl=_context(ca_pem) if tls else None,
                    server_hostname=host if tls else None,
                )
        except TimeoutError:
            raw.close()
            raise OSError("can't connect: no answer in time to the TLS handshake") from None

    def close(self) -> None:
        """Cancel what is under way."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)


@lru_cache(maxsize=64)
def _context(ca_pem: str | None) -> ssl.SSLContext:
    """A TLS context, cached because loading the system's CAs costs time and memory."""
    context = ssl.create_default_context(cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
