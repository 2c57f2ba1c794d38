"""Opening a session with a relay: aiosmtplib connects and greets, then our own strict reader takes the connection over.

It takes over before EHLO, because aiosmtplib reads replies leniently, discards what was slipped in before TLS where we
give up, and tries every mechanism of AUTH in turn (repeated refusals lock accounts).
"""

import asyncio
import base64
import binascii
import ssl
from functools import lru_cache

import aiosmtplib

from mailsvc.delivery import auth, engine
from mailsvc.delivery.commands import Capabilities, Submission
from mailsvc.delivery.replies import reply_of
from mailsvc.delivery.transmit import Dot, Session, TransactionResult
from mailsvc.delivery.trouble import RelayTrouble, in_words
from mailsvc.delivery.wire import Wire
from mailsvc.domain.attempt import Reply, Stage
from mailsvc.domain.relay import Relay, Timeouts

__all__ = ["Dot", "RelayTrouble", "Session", "Submission", "TransactionResult", "open_session"]

OUR_NAME = "[127.0.0.1]"  # an address literal (RFC 5321 section 4.1.4): submission servers know us by our login

_UNOPENED = (aiosmtplib.SMTPException, OSError, ValueError, EOFError)


async def open_session(relay: Relay) -> Session:
    """Connect, protect and authenticate.

    Raises:
        RelayTrouble: whatever went wrong, with the stage at which it did.
    """
    try:
        wire = await _connect(relay)
    except _UNOPENED as error:
        raise _translated(error, relay) from error
    capabilities: Capabilities | None = None
    try:
        capabilities = await _hello(wire, relay)
        if relay.tls == "starttls":
            await _protect(wire, relay, capabilities)
            capabilities = await _hello(wire, relay)
        await _authenticate(wire, relay, capabilities)
    except BaseException as error:
        if isinstance(error, RelayTrouble):
            error.tls = wire.tls(verified=relay.verify)
            error.offered = capabilities.lines if capabilities is not None else ()
        wire.fail("closed")
        raise
    return Session(relay, wire, capabilities)


async def _connect(relay: Relay) -> Wire:
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.tls == "implicit",
        start_tls=False,
        tls_context=_context(relay.verify, relay.ca_pem),
        timeout=None,
        local_hostname=OUR_NAME,
    )
    await _Patience(client, relay.timeouts).greeted()
    transport = client.transport
    if not isinstance(transport, asyncio.Transport) or transport.is_closing():
        raise ConnectionResetError
    return Wire(transport)


class _Patience:
    """One timeout is all that aiosmtplib has for connecting and for the greeting, which many relays delay on purpose."""

    def __init__(self, client: aiosmtplib.SMTP, timeouts: Timeouts) -> None:
        self._client, self._timeouts = client, timeouts
        self._loop = asyncio.get_running_loop()
        self._connect_until = self._loop.time() + timeouts.connect
        self._limit = asyncio.timeout(None)
        self._stage = Stage.CONNECT
        self._look_later()

    def _look_later(self) -> None:
        step = min(self._timeouts.connect, self._timeouts.greeting)
        self._timer = self._loop.call_at(min(self._loop.time() + step, self._connect_until), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if self._client.transport is not None:
            self._stage = Stage.GREETING
            self._limit.reschedule(now + self._timeouts.greeting)
        elif now >= self._connect_until:
            self._limit.reschedule(now)
        else:
            self._look_later()

    async def greeted(self) -> None:
        """Connect and take the greeting."""
        try:
            async with self._limit:
                await self._client.connect()
        except TimeoutError as error:
            raise RelayTrouble(self._stage, in_words(error)) from error
        finally:
            self._timer.cancel()


def _translated(error: Exception, relay: Relay) -> RelayTrouble:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        reply = reply_of(error.code, error.message.split("\n")) if error.code >= 200 else None
        return RelayTrouble(Stage.GREETING, reply.text if reply else error.message, reply=reply)
    cause = error
    while isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLError) or (relay.tls == "implicit" and type(cause) is ConnectionResetError):
        return RelayTrouble(Stage.STARTTLS, in_words(cause))
    was_connected = isinstance(error.__cause__, aiosmtplib.SMTPServerDisconnected)
    return RelayTrouble(Stage.GREETING if was_connected else Stage.CONNECT, in_words(cause))


async def _hello(wire: Wire, relay: Relay) -> Capabilities:
    reply = await _ask(wire, f"EHLO {OUR_NAME}\r\n".encode(), relay.timeouts.ehlo, Stage.EHLO)
    if reply.code // 100 == 5 and relay.tls == "none" and relay.username is None:
        reply = await _ask(wire, f"HELO {OUR_NAME}\r\n".encode(), relay.timeouts.ehlo, Stage.EHLO)
        reply = Reply(reply.code, None, "greeting") if reply.code // 100 == 2 else reply
    if reply.code // 100 != 2:
        raise RelayTrouble(Stage.EHLO, reply.text, reply=reply)
    return Capabilities.of(reply)


async def _protect(wire: Wire, relay: Relay, capabilities: Capabilities) -> None:
    if not capabilities.starttls:
        raise RelayTrouble(Stage.STARTTLS, "the relay doesn't offer STARTTLS, and without it nothing is sent")
    reply = await _ask(wire, b"STARTTLS\r\n", relay.timeouts.ehlo, Stage.STARTTLS)
    if reply.code // 100 != 2:
        raise RelayTrouble(Stage.STARTTLS, reply.text, reply=reply)
    if not wire.is_quiet:
        slipped_in = "something was slipped in between STARTTLS and TLS: somebody may sit between us and the relay"
        raise RelayTrouble(Stage.STARTTLS, wire.fault or slipped_in)
    try:
        await wire.start_tls(_context(relay.verify, relay.ca_pem), relay.host, relay.timeouts.ehlo)
    except (OSError, ValueError) as error:
        raise RelayTrouble(Stage.STARTTLS, in_words(error)) from error


async def _authenticate(wire: Wire, relay: Relay, capabilities: Capabilities) -> None:
    if relay.username is None:
        return
    try:
        mechanism = auth.choose(relay, capabilities.auth)
        talk = auth.dialogue(mechanism, relay)
        command, challenges = auth.initial(mechanism, next(talk)), 0
        while (reply := await _ask(wire, command, relay.timeouts.ehlo, Stage.AUTH)).code == auth.CHALLENGE:
            challenges += 1
            command = base64.b64encode(talk.send(base64.b64decode(reply.text))) + b"\r\n"
        if reply.code // 100 == 2:
            auth.require_proof(mechanism, challenges)
    except (auth.AuthImpossible, binascii.Error) as error:
        raise RelayTrouble(Stage.AUTH, str(error)) from error
    except StopIteration:
        raise RelayTrouble(Stage.AUTH, f"the relay asks for more than {mechanism} has") from None
    if reply.code // 100 != 2:
        raise RelayTrouble(Stage.AUTH, reply.text, reply=reply)


async def _ask(wire: Wire, command: bytes, seconds: float, stage: Stage) -> Reply:
    wire.write(command)
    try:
        return await wire.reply(seconds)
    except engine.Broken as broken:
        raise RelayTrouble(stage, broken.text) from broken


@lru_cache(maxsize=256)
def _context(verify: bool, ca_pem: str | None) -> ssl.SSLContext:  # noqa: FBT001 - a cache key
    """Loading the system's CAs takes 20 ms: one context for all relays that want the same."""
    context = ssl.create_default_context(cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
