"""A session with a relay over asyncio: opened by aiosmtplib, then driven by our own engine (``engine``)."""

import asyncio
import base64
import binascii
import contextlib
import ssl
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import aiosmtplib
import msgspec

from mailsvc import clock
from mailsvc.delivery import auth, engine
from mailsvc.delivery.commands import Capabilities, Submission
from mailsvc.delivery.replies import Garbled, ReplyParser
from mailsvc.delivery.trouble import RelayTrouble, in_words
from mailsvc.domain.attempt import Fate, Reply, Stage, Tls, Verdict
from mailsvc.domain.relay import Relay

__all__ = ["Dot", "RelayTrouble", "Session", "Submission", "TransactionResult", "open_session"]

CHUNK = 64 * 1024
QUIT_SECONDS = 2.0


class Dot(Protocol):
    """Whoever must know of the final dot. Both are called on the event loop and must be quick."""

    def about(self, accepted: Sequence[int]) -> bool:
        """The dot goes out next, for these recipients; False where our lease is gone: it must not."""

    def got(self, reply: Reply) -> None:
        """The reply to the dot was just read."""


class TransactionResult(msgspec.Struct, frozen=True, gc=False):
    """What became of a submission."""

    verdicts: tuple[Verdict, ...]  # in the order of the recipients
    relay_trouble: RelayTrouble | None  # what the relay's breaker should know
    stale: bool  # the reused connection was dead from the start: nothing happened, use another
    duration: float  # seconds


class _Wire(asyncio.Protocol):
    """The connection after aiosmtplib opened it: bytes to replies, one waiter, a bounded write buffer."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parser = ReplyParser()
        self.replies: deque[Reply] = deque()
        self.fault: str | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self.watch_reply: Dot | None = None
        self._deadline = 0.0
        self._watchdog: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(high=CHUNK, low=0)
        transport.set_protocol(self)

    # What the transport calls

    def data_received(self, data: bytes) -> None:
        try:
            replies = self._parser.feed(data)
        except Garbled as error:
            self.fail(str(error))
            return
        if replies and self.watch_reply is not None:
            self.watch_reply.got(replies[0])
            self.watch_reply = None
        self.replies.extend(replies)
        if self.replies:
            self._wake()

    def eof_received(self) -> None:
        self.fault = self.fault or "connection lost"
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        self.fault = self.fault or (in_words(error) if error else "connection lost")
        self._wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    # What a session calls

    @property
    def is_quiet(self) -> bool:
        """Alive, and nothing unexpected has come."""
        return self.fault is None and not self.replies and self._parser.is_between and not self._transport.is_closing()

    def write(self, data: bytes | memoryview) -> None:
        self._transport.write(data)

    def fail(self, text: str) -> None:
        self.fault = self.fault or text
        self._transport.abort()
        self._wake()

    async def reply(self, seconds: float) -> Reply:
        while not self.replies:
            if self.fault is not None:
                raise engine.Broken(self.fault)
            await self._wait(seconds)
        return self.replies.popleft()

    async def drained(self, seconds: float) -> None:
        """Until nothing is held back by us; progress is asked for within ``seconds``."""
        while self.fault is None and not self.replies and self._paused:
            await self._wait(seconds)
        self._raise_if_broken()

    def _raise_if_broken(self) -> None:
        if self.replies:
            raise engine.Broken("the relay answered in the middle of the message", self.replies.popleft())
        if self.fault is not None:
            raise engine.Broken(self.fault)

    async def flushed(self, seconds: float) -> None:
        """Until the transport's buffer is empty."""
        if not self._transport.get_write_buffer_size():
            self._raise_if_broken()
            return
        self._transport.set_write_buffer_limits(high=1, low=0)
        try:
            await self.drained(seconds)
        finally:
            self._transport.set_write_buffer_limits(high=CHUNK, low=0)

    async def _wait(self, seconds: float) -> None:
        waiter = self._waiter = self._loop.create_future()
        self._deadline = self._loop.time() + seconds
        if self._watchdog is None or self._watchdog.when() > self._deadline:
            self._watch()
        try:
            await waiter
        finally:
            self._waiter = None

    def _watch(self) -> None:
        # One timer for many waits: it looks when it goes off whether there is still something to wait for until later.
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
        self.fault = "no answer in time"
        self._transport.abort()
        self._waiter.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Session:
    """An authenticated connection to a relay, for one transaction after another."""

    def __init__(self, relay: Relay, wire: _Wire, capabilities: Capabilities, tls: Tls | None) -> None:
        self.relay = relay
        self.host = relay.host
        self.capabilities = capabilities
        self.tls = tls
        self.sent = 0
        self.opened_at = clock.monotonic()
        self._wire = wire
        self._in_step = True
        self._needs_reset = False

    @property
    def usable(self) -> bool:
        """Whether another transaction may begin on it."""
        return self._in_step and self._wire.is_quiet and self.sent < self.relay.max_messages_per_connection

    async def submit(self, submission: Submission, dot: Dot) -> TransactionResult:
        """Carry out one transaction. Trouble of any kind is in the result; a cancellation aborts the connection."""
        began = clock.monotonic()
        is_reused = self.sent > 0
        self.sent += 1
        self._in_step = False  # until it is known to be
        try:
            finding = await self._converse(submission, dot)
        except BaseException:
            self.abort()
            raise
        self._in_step, self._needs_reset = finding.in_step, finding.needs_reset
        stale = is_reused and self._is_stale(finding)
        trouble = None if stale else self._trouble_of(finding)
        if not self._in_step:
            self.abort()
        return TransactionResult(finding.verdicts, trouble, stale, clock.monotonic() - began)

    def _is_stale(self, finding: engine.Finding) -> bool:
        """Found dead, or closed with 421, at the very first command."""
        if finding.nothing_came:
            return self._wire.fault != "no answer in time" and not finding.in_step
        return finding.closing is not None and all(
            v.fate is Fate.UNTRIED and v.stage is Stage.MAIL for v in finding.verdicts
        )

    def _trouble_of(self, finding: engine.Finding) -> RelayTrouble | None:
        if finding.closing is not None:
            return RelayTrouble(finding.verdicts[-1].stage, finding.closing.text, reply=finding.closing)
        return None

    async def _converse(self, submission: Submission, dot: Dot) -> engine.Finding:
        talk = engine.converse(submission, self.capabilities, reset_first=self._needs_reset)
        answer: Reply | bool | None = None
        step = next(talk, None)
        try:
            while step is not None:
                try:
                    answer = await self._do(step, submission, dot)
                except engine.Broken as broken:
                    step = talk.throw(broken)
                else:
                    step = talk.send(answer)
        except StopIteration as end:
            finding: engine.Finding = end.value
            return finding
        return self._finding_at_once(submission)

    def _finding_at_once(self, submission: Submission) -> engine.Finding:
        """The engine refused without a word to the relay."""
        try:
            engine.converse(submission, self.capabilities, reset_first=self._needs_reset).send(None)
        except StopIteration as end:
            finding: engine.Finding = end.value
            return finding
        raise AssertionError

    async def _do(self, step: engine.Step, submission: Submission, dot: Dot) -> Reply | bool | None:
        timeouts = self.relay.timeouts
        match step:
            case engine.Write(data):
                self._wire.write(data)
                return None
            case engine.Expect(stage):
                seconds: float = getattr(timeouts, stage.value)
                return await self._wire.reply(seconds)
            case engine.Body():
                await self._send_body(submission.content)
                return None
            case engine.Dot(accepted):
                if not dot.about(accepted):
                    return False
                self._wire.watch_reply = dot
                self._wire.write(b".\r\n")
                return True

    async def _send_body(self, content: bytes) -> None:
        for chunk in _stuffed(content):
            self._wire.write(chunk)
            await self._wire.drained(self.relay.timeouts.body)
        await self._wire.flushed(self.relay.timeouts.body)
        if not self._wire.is_quiet:
            raise engine.Broken(self._wire.fault or "the connection is out of step")

    async def quit(self) -> None:
        """Leave politely, but not for long."""
        if self._in_step and self._wire.is_quiet:
            self._wire.write(b"QUIT\r\n")
            with contextlib.suppress(engine.Broken):
                await self._wire.reply(QUIT_SECONDS)
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._in_step = False
        self._wire.fail("closed")


def _stuffed(content: bytes) -> Sequence[bytes | memoryview]:
    """The content as it goes over the wire (RFC 5321 section 4.5.2), in pieces that need no whole copy of a large one."""
    end = b"" if content.endswith(b"\r\n") else b"\r\n"
    if b"\r\n." not in content and not content.startswith(b"."):
        if len(content) <= CHUNK:
            return (content + end,) if end else (content,)
        view = memoryview(content)
        return [*(view[n : n + CHUNK] for n in range(0, len(content), CHUNK)), *([end] if end else [])]
    return _stuffed_lines(content, end)


def _stuffed_lines(content: bytes, end: bytes) -> Sequence[bytes | memoryview]:
    pieces: list[bytes | memoryview] = [b"."] if content.startswith(b".") else []
    view, start = memoryview(content), 0
    while (at := content.find(b"\r\n.", start)) >= 0:
        pieces += [view[start : at + 2], b"."]
        start = at + 2
        if len(pieces) > 512:
            pieces = [b"".join(pieces)]
    pieces += [view[start:], end]
    whole = b"".join(pieces)
    return [memoryview(whole)[n : n + CHUNK] for n in range(0, len(whole), CHUNK)]


# Opening


async def open_session(relay: Relay) -> Session:
    """Connect, protect and authenticate.

    Raises:
        RelayTrouble: whatever went wrong, with the stage at which it did.
    """
    progress = _Progress()
    client = _client(relay)
    try:
        await _connect(client, relay, progress)
        tls = _tls_of(client, relay)
        transport = client.transport
        assert isinstance(transport, asyncio.Transport)
        wire = _Wire(transport)
    except (aiosmtplib.SMTPException, OSError, ssl.SSLError, ValueError, EOFError) as error:
        client.close()
        raise _translated(error, progress.stage) from error
    except BaseException:
        client.close()
        raise
    try:
        capabilities = await _hello(wire, relay)
        await _authenticate(wire, relay, capabilities)
    except BaseException:
        wire.fail("closed")
        raise
    return Session(relay, wire, capabilities, tls)


class _Progress:
    def __init__(self) -> None:
        self.stage = Stage.CONNECT


def _client(relay: Relay) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.tls == "implicit",
        start_tls=False,
        tls_context=_context(relay.verify, relay.ca_pem),
        timeout=relay.timeouts.connect,
        local_hostname="[127.0.0.1]",
    )


async def _connect(client: aiosmtplib.SMTP, relay: Relay, progress: _Progress) -> None:
    await client.connect()
    if relay.tls == "starttls":
        progress.stage = Stage.EHLO
        await client.ehlo(timeout=relay.timeouts.ehlo)
        progress.stage = Stage.STARTTLS
        if not client.supports_extension("starttls"):
            raise RelayTrouble(Stage.STARTTLS, "the relay doesn't offer STARTTLS, and without it nothing is sent")
        await client.starttls(tls_context=_context(relay.verify, relay.ca_pem), timeout=relay.timeouts.ehlo)


def _translated(error: Exception, stage: Stage) -> RelayTrouble:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return RelayTrouble(stage, error.message, reply=Reply(error.code, None, error.message))
    if isinstance(error, aiosmtplib.SMTPConnectResponseError):
        return RelayTrouble(Stage.GREETING, str(error))
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    while isinstance(cause.__cause__, ssl.SSLError):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLError):
        stage = Stage.STARTTLS
    return RelayTrouble(stage, in_words(cause))


async def _hello(wire: _Wire, relay: Relay) -> Capabilities:
    wire.write(b"EHLO [127.0.0.1]\r\n")
    reply = await _ask(wire, relay.timeouts.ehlo, Stage.EHLO)
    if reply.code // 100 == 5 and relay.tls == "none" and relay.username is None:
        wire.write(b"HELO [127.0.0.1]\r\n")
        reply = await _ask(wire, relay.timeouts.ehlo, Stage.EHLO)
        reply = Reply(reply.code, None, "greeting") if reply.code // 100 == 2 else reply
    if reply.code // 100 != 2:
        raise RelayTrouble(Stage.EHLO, reply.text, reply=reply)
    return Capabilities.of(reply)


async def _authenticate(wire: _Wire, relay: Relay, capabilities: Capabilities) -> None:
    if relay.username is None:
        return
    try:
        mechanism = auth.choose(relay, capabilities.auth)
        talk = auth.dialogue(mechanism, relay)
        wire.write(auth.initial(mechanism, next(talk)))
        while (reply := await _ask(wire, relay.timeouts.ehlo, Stage.AUTH)).code == 334:
            wire.write(base64.b64encode(talk.send(base64.b64decode(reply.text))) + b"\r\n")
    except (auth.AuthImpossible, binascii.Error, StopIteration) as error:
        raise RelayTrouble(Stage.AUTH, str(error) or "the relay asks for more than the mechanism has") from error
    if reply.code // 100 != 2:
        raise RelayTrouble(Stage.AUTH, reply.text, reply=reply)


async def _ask(wire: _Wire, seconds: float, stage: Stage) -> Reply:
    try:
        return await wire.reply(seconds)
    except engine.Broken as broken:
        raise RelayTrouble(stage, broken.text) from broken


def _tls_of(client: aiosmtplib.SMTP, relay: Relay) -> Tls | None:
    ssl_object = client.transport.get_extra_info("ssl_object") if client.transport else None
    if ssl_object is None:
        return None
    cipher = ssl_object.cipher()
    return Tls(ssl_object.version() or "", cipher[0] if cipher else "", relay.verify)


@lru_cache(maxsize=256)
def _context(verify: bool, ca_pem: str | None) -> ssl.SSLContext:  # noqa: FBT001 - a cache key
    """Loading the system's CAs takes 20 ms: one context for all relays that want the same."""
    context = ssl.create_default_context(cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
