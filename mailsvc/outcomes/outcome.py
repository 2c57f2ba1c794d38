"""What happened to one delivery, as the recorder takes it: by a transaction, by an arrived mail, by time or by a person."""

from typing import Any

import msgspec

from mailsvc.domain.attempt import Tls
from mailsvc.domain.bounce import Bounce
from mailsvc.domain.lifecycle import Change

__all__ = ["MailedReport", "Outcome", "Try", "smtp_json"]

_encode = msgspec.json.Encoder().encode


class Try(msgspec.Struct, frozen=True, gc=False):
    """The result of one SMTP transaction for one delivery, as it is stored and shown."""

    started_at: int
    duration_ms: float
    stage: str
    code: int | None
    enhanced_code: str | None
    text: str
    relay_id: str
    host: str
    tls: Tls | None
    outcome: str

    def smtp(self) -> str:
        """What the relay said, as deliveries and events show it: JSON."""
        return smtp_json(self.stage, self.code, self.enhanced_code, self.text, self.host)


def smtp_json(stage: str, code: int | None, enhanced_code: str | None, text: str, host: str) -> str:
    """A relay's reply, or what happened instead, as deliveries and events show it (JSON)."""
    said = {"stage": stage, "code": code, "enhanced_code": enhanced_code, "text": text, "host": host}
    return _encode(said).decode()


class MailedReport(msgspec.Struct, frozen=True, kw_only=True):
    """An arrived mail that reports an outcome.

    Attributes:
        data: what the event says about the mail.
        recipient: the address as reported; another one where mail is forwarded.
        suppresses: the evidence is good enough to stop mail to the address.
    """

    data: dict[str, Any]
    recipient: str | None
    suppresses: bool


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What happened to one delivery."""

    delivery_id: str
    change: Change
    lease_token: int | None = None  # the claim that this ends; None without a claim
    tried: Try | None = None
    bounce: Bounce | None = None
    due_at: int | None = None  # for a delivery that is still waiting
    why: str | None = None
    kept_by: str | None = None  # the reason for its wait, shown in ``last_smtp`` instead of the attempt
    report: MailedReport | None = None
    verify: str | None = None  # the transaction whose copy is looked for before the delivery is sent again
