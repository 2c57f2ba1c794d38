"""What a mailbox's account supports."""

from typing import Literal

from mailsvc_sdk._models.record import Record, record
from mailsvc_sdk._models.words import OnUncertain

__all__ = ["MailboxProbe", "ProbeFinding", "ProbeSettings"]


@record
class ProbeFinding(Record):
    """Whether the account supports something."""

    shown = ("name", "result")

    name: str
    result: Literal["yes", "no", "unknown"]
    detail: str


@record
class ProbeSettings(Record):
    """The settings of a relay that suit the account."""

    shown = ()

    return_path: str | None
    verp: bool
    reply_token: bool
    file_sent: bool
    on_uncertain: OnUncertain


@record
class MailboxProbe(Record):
    """What three mails to the mailbox's own address showed."""

    shown = ("address", "relay")

    address: str
    relay: str
    findings: tuple[ProbeFinding, ...]
    settings: ProbeSettings
    advice: tuple[str, ...]
    duration_ms: float
