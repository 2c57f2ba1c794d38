"""Connects to a relay: a socket to one of its addresses, implicit TLS if set, and the greeting.

aiosmtplib takes the greeting; then our own strict reader takes the connection over.
"""

import asyncio
import contextlib
import socket
import ssl

import aiosmtplib

from mailsvc.domain.attempt import Stage
from mailsvc.domain.connection import tls_context
from mailsvc.domain.ehlo import address_literal, is_full_name
from mailsvc.domain.relay import Relay
from mailsvc.domain.targets import Forbidden
from mailsvc.runtime import dial
from mailsvc.smtp.replies import not_a_reply, reply_of
from mailsvc.smtp.trouble import RelayTrouble, in_words
from mailsvc.smtp.wire import Wire

__all__ = ["connect", "own_name"]

SILENCE_SECONDS = 3.0  # without a greeting, after which a second connection tries whether TLS is spoken at once
HANDSHAKE_SECONDS = 2.0


async def connect(relay: Relay) -> Wire:
    """A connection whose greeting has been read.

    Raises:
        RelayTrouble: it could not be made, with the stage at which that failed.
    """
    began = asyncio.get_running_loop().time()
    try:
        raw = await dial.connect(
            relay.host,
            relay.port,
            seconds=relay.timeouts.connect,
            policy=relay.targets,
            setting="MAILSVC_RELAY_TARGETS",
        )
    except (OSError, Forbidden) as error:
        raise RelayTrouble(Stage.CONNECT, str(error)) from error
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        sock=raw,
        use_tls=relay.tls == "implicit",
        start_tls=False,
        tls_context=tls_context(verify=relay.verify, ca_pem=relay.ca_pem),
        timeout=None,
        local_hostname="localhost",  # never said: our reader says EHLO
    )
    try:
        await _greeted(client, relay, raw, began + relay.timeouts.connect)
    except BaseException:
        raw.close()
        raise
    transport = client.transport
    if not isinstance(transport, asyncio.Transport) or transport.is_closing():
        raise RelayTrouble(Stage.GREETING, "connection lost")
    return Wire(transport)


async def _greeted(client: aiosmtplib.SMTP, relay: Relay, raw: socket.socket, connect_until: float) -> None:
    """Read the greeting, which many relays delay on purpose; implicit TLS belongs to connecting."""
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout_at(connect_until + relay.timeouts.greeting)

    stage = Stage.GREETING

    def give_up_connecting() -> None:
        nonlocal stage
        if client.transport is None:
            stage = Stage.STARTTLS
            limit.reschedule(loop.time())

    timer = loop.call_at(connect_until, give_up_connecting)
    explaining = (
        None if relay.tls == "implicit" else asyncio.create_task(_explain_silence(raw.getpeername(), raw.family))
    )
    try:
        async with limit:
            await _first_of(client, explaining)
    except TimeoutError as error:
        raise RelayTrouble(stage, in_words(error)) from error
    except (aiosmtplib.SMTPException, OSError, ValueError, EOFError) as error:
        raise _translated(error, relay) from error
    finally:
        timer.cancel()
        if explaining is not None:
            explaining.cancel()


async def _first_of(client: aiosmtplib.SMTP, explaining: "asyncio.Task[None] | None") -> None:
    greeting = asyncio.create_task(client.connect())
    try:
        await asyncio.wait([greeting, explaining] if explaining else [greeting], return_when=asyncio.FIRST_COMPLETED)
        if explaining is not None and explaining.done() and not greeting.done():
            explaining.result()
        await greeting
    finally:
        greeting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await greeting


async def _explain_silence(sockaddr: tuple[str | int, ...], family: int) -> None:
    """Raises RelayTrouble where the silence is that of a port that waits for TLS; else there is nothing to be said."""
    await asyncio.sleep(SILENCE_SECONDS)
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            raw = await dial.open_socket(dial.Endpoint(family, sockaddr))
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol,
                sock=raw,
                ssl=tls_context(verify=False, ca_pem=None),
                server_hostname="",
            )
            transport.abort()
        raise RelayTrouble(
            Stage.STARTTLS,
            "this port waits for TLS from the first byte: set tls to implicit (smtps://), or use the port for STARTTLS, usually 587",
        )


def own_name(relay: Relay, address: str) -> str:
    """The name for EHLO: the relay's setting, else this host's fully qualified name, else an address literal.

    Args:
        address: of our end of the connection (RFC 5321 section 4.1.4).
    """
    if relay.ehlo is not None:
        return relay.ehlo
    host = socket.gethostname()
    return host if is_full_name(host) else address_literal(address)


def _translated(error: Exception, relay: Relay) -> RelayTrouble:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        if not 200 <= error.code < 600:
            return RelayTrouble(Stage.GREETING, _flaw_of_greeting(error))
        reply = reply_of(error.code, error.message.split("\n"))
        return RelayTrouble(Stage.GREETING, reply.text, reply=reply)
    cause = error
    while isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLError) or (relay.tls == "implicit" and type(cause) is ConnectionResetError):
        return RelayTrouble(Stage.STARTTLS, in_words(cause))
    was_connected = isinstance(error.__cause__, aiosmtplib.SMTPServerDisconnected)
    return RelayTrouble(Stage.GREETING if was_connected else Stage.CONNECT, in_words(cause))


def _flaw_of_greeting(error: aiosmtplib.SMTPResponseException) -> str:
    """Why the greeting is no reply; the words of aiosmtplib, with the line behind a colon, have no code."""
    if error.code > 0:
        return not_a_reply(f"{error.code} {error.message}")
    line = error.message.partition(": ")[2]
    return not_a_reply(line) if line else "a greeting that is too long"
