"""One connection to a relay, as an asyncio protocol: from bytes to replies, for one waiter."""

import asyncio
import ssl
from collections import deque
from typing import Protocol

from mailsvc.domain.attempt import Reply
from mailsvc.smtp.channel import Channel
from mailsvc.smtp.dotstuffing import stuffed
from mailsvc.smtp.replies import ReplyParser
from mailsvc.smtp.steps import Broken
from mailsvc.smtp.trouble import in_words
from mailsvc.smtp.waiter import Waiter

__all__ = ["Listener", "Wire"]

HELD = 8 * 1024  # less than any kernel buffers for an idle connection, so that the kernel takes it at once with the dot
MOST_REPLIES = 1024  # unread: a relay that keeps sending must not fill the memory


class Listener(Protocol):
    """Is called with a reply before anything else happens."""

    def got(self, reply: Reply) -> None: ...


class Wire(asyncio.Protocol):
    """Takes over an open transport. A failure is stored in ``fault``, and raised as ``Broken`` to the waiter."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.channel = Channel(transport)
        self._parser = ReplyParser()
        self.came: deque[Reply] = deque()  # replies that are not taken yet
        self._waiter = Waiter(self._expired)
        self._timed_out = False
        self.fault: str | None = None
        self.listener: Listener | None = None  # called once, with the next reply
        transport.set_protocol(self)

    # Called by the transport

    def data_received(self, data: bytes) -> None:
        replies = self._parser.feed(data)
        if replies:
            self.came.extend(replies)
            self._waiter.wake()
            if self.listener is not None:
                listener, self.listener = self.listener, None
                listener.got(replies[0])
        if self._parser.flaw is not None:
            self.fail(self._parser.flaw)
        elif len(self.came) > MOST_REPLIES:
            self.fail("the relay talks without being asked")

    def eof_received(self) -> None:
        self.fault = self.fault or "connection lost"
        self._waiter.wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._waiter.close()
        self.fault = self.fault or (in_words(error) if error else "connection lost")
        self._waiter.wake()

    def pause_writing(self) -> None:
        self._waiter.wake()

    def resume_writing(self) -> None:
        self._waiter.wake()

    # Called by a session

    @property
    def is_quiet(self) -> bool:
        """Whether the connection works, and nothing unexpected has come."""
        return self.fault is None and not self.came and self._parser.is_between and not self.channel.is_closing()

    @property
    def is_spent(self) -> bool:
        """Whether it is quiet and not even an empty line has come."""
        return self.is_quiet and self._parser.is_spent

    def write(self, data: bytes | memoryview) -> None:
        self.channel.write(data)

    def fail(self, text: str) -> None:
        """Close at once, with this reason."""
        self.fault = self.fault or text
        self.channel.abort()
        self._waiter.wake()

    def abandon(self, text: str) -> None:
        """Close at once, and discard replies: they would be taken for replies to something else."""
        self.came.clear()
        self.fail(text)

    async def wait_for_reply(self, seconds: float) -> None:
        """Wait until a reply has come."""
        while not self.came:
            if self.fault is not None:
                raise Broken(self.fault, timed_out=self._timed_out)
            await self._waiter.wait(seconds)

    async def reply(self, seconds: float) -> Reply:
        """The next reply."""
        await self.wait_for_reply(seconds)
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
            if self.channel.is_connected():
                return held
            await self._waiter.wait(
                seconds
            )  # the event loop will soon report the reason, perhaps with a reply of the relay
        self._raise_if_broken()
        raise Broken("the relay answered in the middle of the message")

    async def _send_piece(self, piece: bytes | memoryview, seconds: float) -> None:
        self.write(piece)
        if self.channel.unsent:
            await self._drained(seconds)

    async def _drained(self, seconds: float) -> None:
        self.channel.report_unsent()
        while self.channel.unsent and self.fault is None and not self.came:
            await self._waiter.wait(seconds)
        self._raise_if_broken()

    def _raise_if_broken(self) -> None:
        if self.came:
            raise Broken("the relay answered in the middle of the message", self.came.popleft())
        if self.fault is not None:
            raise Broken(self.fault, timed_out=self._timed_out)

    async def start_tls(self, context: ssl.SSLContext, name: str, seconds: float) -> None:
        """Start TLS on the connection; raises OSError if that fails."""
        await self.channel.start_tls(self, context, name, seconds)

    def _expired(self) -> None:
        self._timed_out = True
        self.fail("no answer in time")
