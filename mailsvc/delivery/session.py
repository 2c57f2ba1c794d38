"""Opening a session with a relay: once it has greeted, our own strict reader says EHLO, asks for TLS and logs in.

It takes over from aiosmtplib before EHLO, because aiosmtplib reads replies leniently, discards what was slipped in before TLS where we
give up, and tries every mechanism of AUTH in turn (repeated refusals lock accounts).
"""

import asyncio

from mailsvc.delivery import auth, engine
from mailsvc.delivery.commands import Capabilities, Submission
from mailsvc.delivery.connect import connect, own_name, tls_context
from mailsvc.delivery.transmit import Dot, Session, TransactionResult
from mailsvc.delivery.trouble import RelayTrouble, in_words
from mailsvc.delivery.wire import Wire
from mailsvc.domain.attempt import Reply, Stage
from mailsvc.domain.relay import Relay

__all__ = ["Dot", "RelayTrouble", "Session", "Submission", "TransactionResult", "open_session"]


async def open_session(relay: Relay) -> Session:
    """Connect, protect and authenticate.

    Raises:
        RelayTrouble: whatever went wrong, with the stage at which it did.
    """
    wire = await connect(relay)
    name = own_name(relay, wire.own_address)
    capabilities: Capabilities | None = None
    try:
        capabilities = await _hello(wire, relay, name)
        if relay.tls == "starttls":
            await _protect(wire, relay, capabilities)
            capabilities = await _hello(wire, relay, name)
        await _authenticate(wire, relay, capabilities)
    except BaseException as error:
        if isinstance(error, RelayTrouble):
            error.tls = wire.tls(verified=relay.verify)
            error.offered = capabilities.lines if capabilities is not None else ()
        wire.fail("closed")
        raise
    return Session(relay, wire, capabilities)


async def _hello(wire: Wire, relay: Relay, name: str) -> Capabilities:
    reply = await _ask(wire, f"EHLO {name}\r\n".encode(), relay.timeouts.ehlo, Stage.EHLO)
    if reply.code // 100 == 5 and relay.tls == "none" and relay.username is None:
        reply = await _ask(wire, f"HELO {name}\r\n".encode(), relay.timeouts.ehlo, Stage.EHLO)
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
        await wire.start_tls(tls_context(verify=relay.verify, ca_pem=relay.ca_pem), relay.host, relay.timeouts.ehlo)
    except (OSError, ValueError) as error:
        raise RelayTrouble(Stage.STARTTLS, in_words(error)) from error


async def _authenticate(wire: Wire, relay: Relay, capabilities: Capabilities) -> None:
    if relay.username is None:
        return
    try:
        mechanism = auth.choose(relay, capabilities.auth)
        exchange = auth.Exchange(mechanism, relay)
        line = exchange.begin()
        while (reply := await _ask(wire, line, relay.timeouts.ehlo, Stage.AUTH)).code == auth.CHALLENGE:
            line = await _answer(exchange, reply.text)
        if reply.code // 100 == 2:
            exchange.require_proof()
    except auth.AuthImpossible as error:
        raise RelayTrouble(Stage.AUTH, str(error)) from error
    if reply.code // 100 != 2:
        raise RelayTrouble(Stage.AUTH, reply.text, reply=reply)


async def _answer(exchange: auth.Exchange, challenge: str) -> bytes:
    if exchange.is_costly:
        return await asyncio.to_thread(exchange.answer, challenge)
    return exchange.answer(challenge)


async def _ask(wire: Wire, command: bytes, seconds: float, stage: Stage) -> Reply:
    wire.write(command)
    try:
        return await wire.reply(seconds)
    except engine.Broken as broken:
        raise RelayTrouble(stage, broken.text) from broken
