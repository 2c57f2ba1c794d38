"""The JSON objects for mailboxes, changes to them and checks of them."""

from typing import Literal

import msgspec

from mailsvc.api.relay_objects import TlsFacts
from mailsvc.apps.mailbox_form import NewMailbox

__all__ = [
    "MailboxChanges",
    "MailboxCheck",
    "MailboxList",
    "MailboxObject",
    "MailboxProbe",
    "PauseMailbox",
    "ProbeMailbox",
]


class MailboxObject(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A mailbox as it is shown: secrets are masked."""

    id: str
    name: str
    protocol: Literal["imap", "pop3"]
    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    verify: bool
    ca_pem: str | None
    username: str
    password: Literal["********"] | None
    oauth: Literal["********"] | None
    folder: str
    after: str
    first_read: Literal["new", "all"]
    poll_interval: int
    idle: bool
    relay: str | None
    sent_folder: str | None
    enabled: bool
    managed: bool
    status: Literal["starting", "active", "failing", "paused"]
    status_reason: str | None
    last_error: str | None
    retry_at: str | None
    last_read_at: str | None
    created_at: str
    updated_at: str


class MailboxList(msgspec.Struct):
    """A page of mailboxes, newest first."""

    data: list[MailboxObject]
    next_cursor: str | None


MailboxChanges = msgspec.defstruct(
    "MailboxChanges",
    [
        (field.name, field.type | None | msgspec.UnsetType, msgspec.UNSET)  # null resets it to its default
        for field in msgspec.structs.fields(NewMailbox)
    ],
    kw_only=True,
    namespace={"__doc__": "A JSON merge patch: members that are given change, null resets to the default."},
)


class PauseMailbox(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v1/mailboxes/{id}/pause, which may also be empty."""

    reason: str | None = None


class ProbeMailbox(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v1/mailboxes/{id}/probe, which may also be empty."""

    relay: str | None = None
    address: str | None = None


class ProbeFinding(msgspec.Struct):
    """Whether the account supports something."""

    name: Literal["plus_addresses", "return_path", "dsn", "message_id", "sent_copies", "one_copy"]
    result: Literal["yes", "no", "unknown"]
    detail: str


class ProbeSettings(msgspec.Struct, omit_defaults=True):
    """The settings that fit; those that can't be told are missing."""

    return_path: str | None | msgspec.UnsetType = msgspec.UNSET
    verp: bool | msgspec.UnsetType = msgspec.UNSET
    reply_token: bool | msgspec.UnsetType = msgspec.UNSET
    file_sent: bool | msgspec.UnsetType = msgspec.UNSET
    on_uncertain: Literal["resend", "verify"] | msgspec.UnsetType = msgspec.UNSET


class MailboxProbe(msgspec.Struct):
    """What an account supports, found out by mails that it sent to itself, and which settings fit."""

    address: str
    relay: str
    findings: list[ProbeFinding]
    settings: ProbeSettings
    advice: list[str]
    duration_ms: float


class MailboxCheckStep(msgspec.Struct):
    """One step of the check."""

    name: Literal["resolve", "connect", "tls", "login", "folder", "capabilities", "count"]
    ok: bool
    detail: str
    duration_ms: float


class MailboxCheck(msgspec.Struct):
    """The result of connecting to a mailbox, logging in and opening its folder."""

    ok: bool
    steps: list[MailboxCheckStep]
    tls: TlsFacts | None
    capabilities: list[str]
    messages: int | None
    duration_ms: float
