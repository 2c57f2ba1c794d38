"""Receives request bodies whole, in the event loop, before a request takes other resources; long ones in a file."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from werkzeug.exceptions import ClientDisconnected, RequestTimeout

from mailsvc.domain.errors import TooLarge, Unavailable

__all__ = ["LARGE_BODY", "SHORT_BODY", "Body", "Uptake"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

SHORT_BODY = 64 * 1024
LARGE_BODY = 1024 * 1024
HELD_IN_MEMORY = LARGE_BODY  # of one body; beyond it, the body is written to its file
HELD_IN_ALL = 64 * 1024 * 1024  # of all bodies together; beyond it, they are written to their files at once
LEAST_WRITE = 128 * 1024  # bytes: less is not worth a thread
LONG_AT_ONCE = 512
YOUNG = 5.0  # seconds: until then, a body is not given up for another one


@dataclass
class Uptake:
    """The limits and the state shared by all bodies.

    Args:
        limit: bytes of the largest body.
        directory: for long bodies, in files without a name.
        stall: seconds without a byte until a client is given up.
        total: seconds that every body may take, plus time by its length (``rate``).
        rate: bytes per second that a client must send beyond the total.
    """

    limit: int
    directory: Path
    stall: float = 30.0
    total: float = 30.0
    rate: float = 100_000.0
    held: int = field(default=0, init=False)  # bytes in memory
    _under_way: "set[Body]" = field(default_factory=set, init=False)

    def enter(self, body: "Body") -> None:
        """Admit a long body; at the limit, give up the slowest one, or raise Unavailable."""
        if len(self._under_way) >= LONG_AT_ONCE:
            slowest = min(self._under_way, key=lambda other: other.bytes_per_second)
            if slowest.age < YOUNG:
                raise Unavailable("too many large requests are being received; nothing was stored", retry_after=5)
            slowest.give_up(
                Unavailable("the request was too slow while others were waiting; nothing was stored", retry_after=5)
            )
            self._under_way.discard(slowest)
        self._under_way.add(body)

    def leave(self, body: "Body") -> None:
        """Remove a body that is complete or given up."""
        self._under_way.discard(body)


class Body:
    """The body of a request. For Flask it is ``wsgi.input``, which is read as a whole."""

    def __init__(self, length: int | None, receive: Receive, uptake: Uptake) -> None:
        self._length, self._receive, self._uptake = length, receive, uptake
        self._loop = asyncio.get_running_loop()
        self._began = 0.0
        self._data: bytes | None = b"" if length == 0 else None
        self._file: IO[bytes] | None = None
        self._flaw: Exception | None = None
        self._patience: asyncio.Timeout | None = None
        self._held = 0  # bytes in memory, as counted in the uptake
        self.size = 0

    def is_short(self) -> bool:
        """Whether the body is known to be so small that it may be kept in memory for any client."""
        return self._length is not None and self._length <= SHORT_BODY

    def is_large(self) -> bool:
        """Whether only a few such bodies may be handled at the same time."""
        return self.size > LARGE_BODY

    @property
    def age(self) -> float:
        """Seconds since the first byte was requested."""
        return self._loop.time() - self._began

    @property
    def bytes_per_second(self) -> float:
        return self.size / max(self.age, YOUNG)

    def give_up(self, flaw: Exception) -> None:
        """Stop receiving the body; ``read`` raises this error."""
        self._flaw = flaw
        if self._patience is not None:
            self._patience.reschedule(self._loop.time())

    async def fetch(self) -> None:
        """Receive the body from the client; an error is raised by ``read``."""
        if self._data is not None or self._flaw is not None:
            return
        self._began = self._loop.time()
        try:
            if self.is_short():
                self._data = await self._take_short()
            else:
                await self._take_long()
        except Exception as flaw:  # noqa: BLE001 - ``read`` raises it
            self._flaw = self._flaw or flaw

    def read(self, _size: int = -1) -> bytes:
        """The whole body, after ``fetch``. A long body can be read only once.

        Raises:
            TooLarge: the body exceeds the limit.
            Unavailable: there was no space for it.
            RequestTimeout, ClientDisconnected: it did not arrive.
        """
        if self._flaw is not None:
            raise self._flaw
        if self._file is not None:
            with self._file as file:
                file.seek(0)
                self._file, self._data = None, b""
                return file.read()
        if self._data is None:
            raise ClientDisconnected("nobody asked for the body")
        data = self._data
        if not self.is_short():
            self._data = b""
        return data

    def drop(self) -> None:
        """Discard the body."""
        self._count(0)
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _take_short(self) -> bytes:
        parts: list[bytes] = []
        while (part := await self._next()) is not None:
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _take_long(self) -> None:
        if self._length is not None and self._length > self._uptake.limit:
            raise TooLarge.request(self._uptake.limit)
        self._uptake.enter(self)
        with ExitStack() as at_end:
            at_end.callback(self._uptake.leave, self)
            at_failure = at_end.enter_context(ExitStack())
            at_failure.callback(self.drop)
            held = bytearray()
            while (part := await self._next()) is not None:
                held += part
                self._count(len(held))
                if self._must_write():
                    await asyncio.to_thread(self._write, bytes(held))
                    held.clear()
                    self._count(0)
            if self._file is None:
                self._data = bytes(held)
            else:
                await asyncio.to_thread(self._write, bytes(held))
                self._count(0)
            at_failure.pop_all()

    def _count(self, held: int) -> None:
        """Count this many bytes as held in memory."""
        self._uptake.held += held - self._held
        self._held = held

    def _must_write(self) -> bool:
        is_crowded = self._uptake.held > HELD_IN_ALL and self._held >= LEAST_WRITE
        return is_crowded or self._held > HELD_IN_MEMORY

    def _write(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._uptake.directory)  # noqa: SIM115 - until it is read or dropped
            self._file.write(data)
        except OSError as error:
            said = f"no disk space for so large a request ({error.strerror}); nothing was stored"
            raise Unavailable(said, retry_after=10) from error

    async def _next(self) -> bytes | None:
        """The next part; None after the last."""
        if self._length is not None and self.size >= self._length:
            return None
        message = await self._message()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("the client closed the connection before the end of the body")
        part: bytes = message["body"]
        self.size += len(part)
        if self.size > self._uptake.limit:
            raise TooLarge.request(self._uptake.limit)
        if not message["more_body"]:
            self._length = self.size
        return part

    async def _message(self) -> MutableMapping[str, Any]:
        uptake, now = self._uptake, self._loop.time()
        due = self._began + uptake.total + self.size / uptake.rate
        try:
            async with asyncio.timeout_at(min(now + uptake.stall, due)) as self._patience:
                return await self._receive()
        except TimeoutError:
            if self._flaw is not None:
                raise self._flaw from None
            if now + uptake.stall < due:
                raise RequestTimeout(f"no data of the request body arrived for {uptake.stall:g} seconds") from None
            least = f"{uptake.rate:g} bytes per second after the first {uptake.total:g} seconds"
            raise RequestTimeout(f"the request body arrived more slowly than {least}") from None
