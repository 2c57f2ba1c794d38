"""Sends the probe mails over one session with the relay."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from mailsvc.domain.attempt import Fate, Reply, Stage, Verdict
from mailsvc.domain.relay import Relay, Timeouts
from mailsvc.inbound.accountprobe.mails import ProbeMail
from mailsvc.smtp.opening import RelayTrouble, Session, open_session

__all__ = ["Sent", "send"]

PATIENCE = 10.0  # seconds for each phase, whatever the relay's settings allow
LONGEST = 25.0  # for all of it


@dataclass(frozen=True, slots=True)
class Sent:
    """What the relay said.

    Attributes:
        trouble: why no session could be had; then there are no verdicts.
        verdicts: by the probe mail's id.
        offers_dsn: RFC 3461.
    """

    trouble: str | None = None
    verdicts: dict[str, Verdict] | None = None
    offers_dsn: bool = False

    def verdict(self, mail: ProbeMail) -> Verdict:
        """What became of a mail at the relay."""
        lost = Verdict(Fate.UNTRIED, Stage.CONNECT, None, self.trouble or "the session ended before it was sent")
        return (self.verdicts or {}).get(mail.id, lost)


class _NoJournal:
    """Probe mails are not sent again, so that nothing about them is noted (``session.Dot``)."""

    def about(self, accepted: Sequence[int]) -> bool:  # noqa: ARG002 - there is no lease
        return True

    def got(self, reply: Reply) -> None: ...


def send(relay: Relay, mails: Sequence[ProbeMail], *, access_token: str | None = None) -> Sent:
    """Send the mails, each once; from a thread without an event loop."""
    return asyncio.run(_send(relay, mails, access_token))


async def _send(relay: Relay, mails: Sequence[ProbeMail], access_token: str | None) -> Sent:
    verdicts: dict[str, Verdict] = {}
    try:
        async with asyncio.timeout(LONGEST):
            session = await open_session(_with_short_timeouts(relay), access_token=access_token)
            try:
                await _send_each(session, mails, verdicts)
            finally:
                session.abort()
    except RelayTrouble as trouble:
        return Sent(trouble.in_words)
    except TimeoutError:
        return Sent(f"the relay did not take the mails within {LONGEST:.0f} seconds", verdicts)
    return Sent(None, verdicts, session.capabilities.dsn)


async def _send_each(session: Session, mails: Sequence[ProbeMail], verdicts: dict[str, Verdict]) -> None:
    for mail in mails:
        if not session.usable:
            return
        result = await session.submit(mail.submission, _NoJournal())
        verdicts[mail.id] = result.verdicts[0]
    await session.quit()


def _with_short_timeouts(relay: Relay) -> Relay:
    given = {phase.name: min(PATIENCE, getattr(relay.timeouts, phase.name)) for phase in fields(Timeouts)}
    return replace(relay, timeouts=Timeouts(**given))
