"""Opens sessions: tries again within seconds after a failure, until the relay's breaker opens."""

from typing import Protocol

from tenacity import AsyncRetrying, RetryError, retry_if_exception, stop_after_attempt, wait_exponential

from mailsvc.delivery.relay_tokens import Tokens, open_with_token
from mailsvc.domain.attempt import Stage
from mailsvc.domain.backoff import FAILURES_TO_OPEN
from mailsvc.domain.relay import Relay
from mailsvc.runtime.error_log import log_error
from mailsvc.smtp.opening import RelayTrouble, Session, open_session
from mailsvc.smtp.trouble import unexpected
from mailsvc.telemetry import Meter

__all__ = ["dialled"]


class Dialling(Protocol):
    """The part of a lane that dialling needs."""

    relay: Relay

    @property
    def tokens(self) -> Tokens: ...
    @property
    def meter(self) -> Meter: ...
    def is_blocked(self) -> bool: ...
    async def trouble(self, trouble: RelayTrouble) -> None: ...


async def dialled(who: Dialling) -> Session | None:
    """Open a session; None if that fails for now."""
    dialling = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, RelayTrouble) and not who.is_blocked()),
        stop=stop_after_attempt(FAILURES_TO_OPEN),
        wait=wait_exponential(multiplier=0.2, max=2),
        reraise=True,
    )
    try:
        session: Session = await dialling(_dial, who)
    except (RelayTrouble, RetryError):
        return None
    return session


async def _dial(who: Dialling) -> Session:
    if who.is_blocked():  # blocked after this sender's last failure
        raise RelayTrouble(Stage.CONNECT, "the relay is left alone for a while")
    who.meter.count("sessions")
    try:
        relay = who.relay
        return await (open_with_token(relay, who.tokens) if relay.needs_token else open_session(relay))
    except RelayTrouble as trouble:
        await who.trouble(trouble)
        raise
    except Exception as error:
        log_error(error, relay=who.relay.name)
        ours = unexpected(Stage.CONNECT, error)
        await who.trouble(ours)
        raise ours from error
