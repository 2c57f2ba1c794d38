"""One connection to a relay, as an asyncio protocol: from bytes to replies, for one waiter; notices unsent bytes."""

import asyncio
import socket
import ssl
from collections import deque
from typing import Protocol

from mailsvc.domain.attempt import Reply, Tls
from mailsvc.smtp.dotstuffing import stuffed
from mailsvc.smtp.replies import ReplyParser
from mailsvc.smtp.transaction import Broken
from mailsvc.smtp.trouble import in_words

__all__ = ["Listener", "Wire"]

HELD = 8 * 1024  # less than any kernel buffers for an idle connection, so that the kernel takes it at once with the dot
_ESTABLISHED = 1  # a state of tcp_info
MOST_REPLIES = 1024  # unread: a relay that keeps sending must not fill the memory


class Listener(Protocol):
    """Is called with a reply before anything else happens."""

    def got(self, reply: Reply) -> None: ...


class Wire(asyncio.Protocol):
    """Takes over an open transport. A failure is stored in ``fault``, and raised as ``Broken`` to the waiter."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = ReplyParser()
        self.came: deque[Reply] = deque()  # replies that are not taken yet
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._watchdog: asyncio.TimerHandle | None = None
        self._timed_out = False
        self.fault: str | None = None
        self.listener: Listener | None = None  # called once, with the next reply
        self._take(transport, _beneath(transport))
        transport.set_protocol(self)
        self._socket = transport.get_extra_info("socket")

    def _take(self, transport: asyncio.Transport, beneath: asyncio.Transport) -> None:
        self._transport, self._beneath = transport, beneath
        self._hears_of_unsent = False

    # Called by the transport

    def data_received(self, data: bytes) -> None:
        replies = self._parser.feed(data)
        if replies:
            self.came.extend(replies)
            self._wake()
            if self.listener is not None:
                listener, self.listener = self.listener, None
                listener.got(replies[0])
        if self._parser.flaw is not None:
            self.fail(self._parser.flaw)
        elif len(self.came) > MOST_REPLIES:
            self.fail("the relay talks without being asked")

    def eof_received(self) -> None:
        self.fault = self.fault or "connection lost"
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self.fault = self.fault or (in_words(error) if error else "connection lost")
        self._wake()

    def pause_writing(self) -> None:
        self._wake()

    def resume_writing(self) -> None:
        self._wake()

    # Called by a session

    @property
    def own_address(self) -> str:
        """The address of our end."""
        return str(self._socket.getsockname()[0])

    @property
    def is_quiet(self) -> bool:
        """Whether the connection works, and nothing unexpected has come."""
        return self.fault is None and not self.came and self._parser.is_between and not self._transport.is_closing()

    @property
    def is_spent(self) -> bool:
        """Whether it is quiet and not even an empty line has come."""
        return self.is_quiet and self._parser.is_spent

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() + self._beneath.get_write_buffer_size()

    def write(self, data: bytes | memoryview) -> None:
        self._transport.write(data)

    def fail(self, text: str) -> None:
        """Close at once, with this reason."""
        self.fault = self.fault or text
        self._transport.abort()
        self._wake()

    def desert(self, text: str) -> None:
        """Close at once, and discard replies: they would be taken for replies to something else."""
        self.came.clear()
        self.fail(text)

    async def heard(self, seconds: float) -> None:
        """Wait until a reply has come."""
        while not self.came:
            if self.fault is not None:
                raise Broken(self.fault, timed_out=self._timed_out)
            await self._woken(seconds)

    async def reply(self, seconds: float) -> Reply:
        """The next reply."""
        await self.heard(seconds)
        return self.came.popleft()

    async def send_body(self, content: bytes, seconds: float) -> bytes | memoryview:
        """Send the content without its final dot; wait until the kernel has it and the connection is known to work.

        Args:
            seconds: the time limit for each piece.

        Returns:
            The rest, to be sent together with the dot: so small that the kernel takes it at once.
        """
        held: bytes | memoryview = b""
        for piece in stuffed(content):
            if held:
                await self._send_piece(held, seconds)
            held = piece
        if len(held) > HELD:
            await self._send_piece(held, seconds)
            held = b""
        while self.is_quiet:
            if self._is_connected():
                return held
            await self._woken(seconds)  # the event loop will soon report the reason, perhaps with a reply of the relay
        self._raise_if_broken()
        raise Broken("the relay answered in the middle of the message")

    def _is_connected(self) -> bool:
        # poll(2) would release the GIL, for which other threads wait; this asks the kernel without releasing it.
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED)

    async def _send_piece(self, piece: bytes | memoryview, seconds: float) -> None:
        self.write(piece)
        if self.unsent:
            await self._drained(seconds)

    async def _drained(self, seconds: float) -> None:
        if not self._hears_of_unsent:
            # From now on every change of the unsent bytes calls pause_writing or resume_writing, which wake us.
            self._beneath.set_write_buffer_limits(high=0, low=0)
            self._transport.set_write_buffer_limits(high=0, low=0)
            self._hears_of_unsent = True
        while self.unsent and self.fault is None and not self.came:
            await self._woken(seconds)
        self._raise_if_broken()

    def _raise_if_broken(self) -> None:
        if self.came:
            raise Broken("the relay answered in the middle of the message", self.came.popleft())
        if self.fault is not None:
            raise Broken(self.fault, timed_out=self._timed_out)

    async def start_tls(self, context: ssl.SSLContext, name: str, seconds: float) -> None:
        """Start TLS on the connection; raises OSError if that fails."""
        plain = self._transport
        protected = await self._loop.start_tls(
            plain, self, context, server_hostname=name, ssl_handshake_timeout=seconds
        )
        if protected is None:
            raise ConnectionResetError
        self._take(protected, plain)

    def tls(self, *, verified: bool) -> Tls | None:
        """The connection's TLS, if it has any."""
        ssl_object = self._transport.get_extra_info("ssl_object")
        if ssl_object is None:
            return None
        cipher = ssl_object.cipher()
        return Tls(ssl_object.version() or "", cipher[0] if cipher else "", verified)

    # Waiting

    def _woken(self, seconds: float) -> asyncio.Future[None]:
        self._waiter = self._loop.create_future()
        self._deadline = self._loop.time() + seconds
        if self._watchdog is None or self._watchdog.when() > self._deadline:
            self._watch()
        return self._waiter

    def _watch(self) -> None:
        # One timer serves many waits: when it fires, it checks whether the current wait ends later, and waits on.
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._watchdog = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._watch()
            return
        self._timed_out = True
        self.fail("no answer in time")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _beneath(transport: asyncio.Transport) -> asyncio.Transport:
    """The socket's transport below a TLS transport. asyncio doesn't expose it, but it can hold unsent bytes."""
    found = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return found if isinstance(found, asyncio.Transport) else transport
