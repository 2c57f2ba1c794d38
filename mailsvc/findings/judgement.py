"""What follows from one mail: its kind, what it says about each recipient, and the outcomes and events of that."""

from typing import Any

import msgspec

from mailsvc.eventlog.append import NewEvent
from mailsvc.findings.known import KnownDelivery
from mailsvc.findings.match import Match
from mailsvc.outcomes.outcome import Outcome

__all__ = ["Circumstances", "Finding", "Judgement"]


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """When and where a mail is judged.

    Attributes:
        now: by the database's clock.
        is_last: a delivery that is still not sent counts as unknown; else the mail waits for it.
        is_twin: the same mail is another arrival, of another mailbox that watches the same account.
    """

    app_id: str
    mailbox_id: str
    now: int
    is_last: bool = False
    is_twin: bool = False


class Finding(msgspec.Struct, kw_only=True):
    """What a mail says about one recipient (contract: ``findings`` of an arrival)."""

    kind: str
    recipient: str | None
    message_id: str | None = None
    delivery_id: str | None = None
    bounce: dict[str, Any] | None = None
    evidence: tuple[str, ...] = ()
    applied: bool = False


class Judgement(msgspec.Struct, kw_only=True):
    """What follows from one mail.

    Attributes:
        about: the message that it is about, and the delivery if that is known.
        outcomes: each with its finding.
        news: events besides those of the outcomes, each with its finding if it is about one.
        unsubscribes: the delivery whose recipient wants no more mail.
        waits: it is about a delivery that is not sent yet: nothing may be told now.
    """

    kind: str
    findings: list[Finding] = msgspec.field(default_factory=list)
    about: Match | None = None
    outcomes: list[tuple[Outcome, Finding]] = msgspec.field(default_factory=list)
    news: list[tuple[NewEvent, Finding | None]] = msgspec.field(default_factory=list)
    unsubscribes: KnownDelivery | None = None
    waits: bool = False
