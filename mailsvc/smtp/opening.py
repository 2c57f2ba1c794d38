"""Opens a session with a relay: after the greeting, our own strict reader does EHLO, STARTTLS and AUTH.

It takes over from aiosmtplib before EHLO, because aiosmtplib reads replies leniently, discards what was slipped in before TLS where we
give up, and tries every mechanism of AUTH in turn (repeated refusals lock accounts).
"""

import asyncio
import logging
from dataclasses import replace

from mailsvc.domain.attempt import Reply, Stage
from mailsvc.domain.connection import tls_context
from mailsvc.domain.relay import Relay
from mailsvc.smtp import auth
from mailsvc.smtp.commands import Capabilities, Submission
from mailsvc.smtp.connect import connect, own_name
from mailsvc.smtp.session import Dot, Session, TransactionResult
from mailsvc.smtp.steps import Broken
from mailsvc.smtp.trouble import RelayTrouble, in_words, unexpected
from mailsvc.smtp.wire import Wire

__all__ = ["Dot", "RelayTrouble", "Session", "Submission", "TransactionResult", "open_session"]

_log = logging.getLogger(__name__)


async def open_session(relay: Relay, *, access_token: str | None = None) -> Session:
    """Connect, protect and authenticate.

    Args:
        access_token: of OAuth 2, by default the relay's own.

    Raises:
        RelayTrouble: whatever went wrong, with the stage at which it did.
    """
    try:
        wire = await connect(relay)
    except RelayTrouble:
        raise
    except Exception as error:
        _log.error("a relay could not be reached", exc_info=error, extra={"facts": {"relay": relay.name}})
        raise unexpected(Stage.CONNECT, error) from error
    opening = _Opening(wire, relay, access_token or relay.access_token)
    try:
        return await opening.open()
    except BaseException as error:
        wire.fail("closed")
        if not isinstance(error, Exception):
            raise
        raise opening.trouble(error) from error


class _Opening:
    """From the greeting to a session; knows the current stage."""

    def __init__(self, wire: Wire, relay: Relay, access_token: str | None) -> None:
        self._wire, self._relay, self._access_token = wire, relay, access_token
        self._stage = Stage.EHLO
        self._capabilities: Capabilities | None = None

    async def open(self) -> Session:
        wire, relay = self._wire, self._relay
        name = own_name(relay, wire.channel.own_address)
        self._capabilities = await _hello(wire, relay, name)
        if relay.tls == "starttls":
            self._stage = Stage.STARTTLS
            await _protect(wire, relay, self._capabilities)
            self._stage = Stage.EHLO
            self._capabilities = await _hello(wire, relay, name)
        self._stage = Stage.AUTH
        await _authenticate(wire, replace(relay, access_token=self._access_token), self._capabilities)
        return Session(relay, wire, self._capabilities)

    def trouble(self, error: Exception) -> RelayTrouble:
        """Any error as the relay's trouble: an unexpected one must not look like a fault of the message."""
        if isinstance(error, RelayTrouble):
            trouble = error
        else:
            _log.error("a session could not be opened", exc_info=error, extra={"facts": {"relay": self._relay.name}})
            trouble = RelayTrouble(self._stage, f"the relay's answer was not understood ({type(error).__name__})")
        trouble.tls = self._wire.channel.tls(verified=self._relay.verify)
        trouble.offered = self._capabilities.lines if self._capabilities is not None else ()
        return trouble


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
    if not wire.is_spent:
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
    except Broken as broken:
        raise RelayTrouble(stage, broken.text) from broken
