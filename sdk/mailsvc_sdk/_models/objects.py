"""Relays, mailboxes, webhooks, submissions, suppressions, keys."""

from collections.abc import Mapping
from datetime import datetime

from mailsvc_sdk._models.message import TLS
from mailsvc_sdk._models.record import Record, record
from mailsvc_sdk._models.words import RelayAuth, Scope, SubmissionState, SuppressionReason, Tls

__all__ = [
    "Key",
    "Mailbox",
    "MailboxCheck",
    "MailboxCheckStep",
    "Relay",
    "RelayCheck",
    "RelayCheckStep",
    "RelayTimeouts",
    "Replayed",
    "Submission",
    "Suppression",
    "Webhook",
    "WebhookDelivery",
    "WebhookTrial",
]


@record
class RelayTimeouts(Record):
    """Seconds per stage of SMTP."""

    shown = ()

    connect: float | None
    greeting: float | None
    ehlo: float | None
    mail: float | None
    rcpt: float | None
    data: float | None
    body: float | None
    eom: float | None


@record
class Relay(Record):
    """An SMTP account that mail is sent through. Secrets are shown as ``********``."""

    shown = ("id", "name", "status")

    id: str
    name: str
    host: str
    port: int
    tls: Tls
    verify: bool
    ca_pem: str | None
    username: str | None
    password: str | None
    auth: RelayAuth
    oauth: str | None
    max_connections: int
    max_messages_per_connection: int
    max_recipients: int
    pipelining: str
    rate: str | None
    return_path: str | None
    verp: bool
    dsn: bool
    ehlo: str | None
    reply_token: bool
    unsubscribe_mailbox: str | None
    file_sent: bool
    default: bool
    enabled: bool
    managed: bool
    timeouts: RelayTimeouts
    status: str
    status_reason: str | None
    retry_at: datetime | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime


@record
class RelayCheckStep(Record):
    """One step of a check."""

    shown = ("stage", "ok")

    stage: str
    ok: bool
    detail: str


@record
class RelayCheck(Record):
    """What connecting and logging in gave."""

    shown = ("ok",)

    ok: bool
    steps: tuple[RelayCheckStep, ...]
    tls: TLS | None
    capabilities: tuple[str, ...]
    duration_ms: float


@record
class Mailbox(Record):
    """An IMAP or POP3 account that is watched. Secrets are shown as ``********``."""

    shown = ("id", "name", "status")

    id: str
    name: str
    protocol: str
    host: str
    port: int
    tls: Tls
    verify: bool
    ca_pem: str | None
    username: str
    password: str | None
    oauth: str | None
    folder: str
    after: str
    first_read: str
    poll_interval: int
    idle: bool
    relay: str | None
    sent_folder: str | None
    enabled: bool
    managed: bool
    status: str
    status_reason: str | None
    last_error: str | None
    retry_at: datetime | None
    last_read_at: datetime | None
    created_at: datetime
    updated_at: datetime


@record
class MailboxCheckStep(Record):
    """One step of a check."""

    shown = ("name", "ok")

    name: str
    ok: bool
    detail: str
    duration_ms: float


@record
class MailboxCheck(Record):
    """What connecting, logging in and opening the folder gave."""

    shown = ("ok", "messages")

    ok: bool
    steps: tuple[MailboxCheckStep, ...]
    tls: TLS | None
    capabilities: tuple[str, ...]
    messages: int | None
    duration_ms: float


class _ShowsSecrets(Record):
    # Not a dataclass of its own: only a repr.
    __slots__ = ()
    secret_name = ""

    def __repr__(self) -> str:
        secret = getattr(self, self.secret_name, None)
        shown = f", {self.secret_name}={secret[:9] + '…'!r}" if secret else ""
        return f"{Record.__repr__(self)[:-1]}{shown})"


@record
class Webhook(_ShowsSecrets):
    """An application's endpoint for events.

    Attributes:
        secret: shown whole in the result of ``create`` and ``rotate_secret`` only.
    """

    shown = ("id", "url")
    secret_name = "secret"  # noqa: S105 - a field's name

    id: str
    url: str
    events: tuple[str, ...]
    description: str | None
    ca_pem: str | None
    enabled: bool
    secret: str
    old_secret_until: datetime | None
    managed: bool
    failing_since: datetime | None
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


@record
class WebhookDelivery(Record):
    """An event on its way to a webhook."""

    shown = ("event_id", "type", "status")

    event_id: str
    type: str | None
    status: str
    attempts: int
    next_attempt_at: datetime | None
    status_code: int | None
    error: str | None
    response: str | None
    duration_ms: float | None
    created_at: datetime
    updated_at: datetime


@record
class WebhookTrial(Record):
    """What came of a test event."""

    shown = ("delivered", "status_code")

    delivered: bool
    status_code: int | None
    duration_ms: float
    error: str | None


@record
class Replayed(Record):
    """How many events were queued again."""

    shown = ("queued",)

    queued: int


@record
class Submission(Record):
    """A row that an application inserted, until it is taken up; its draft is there only when it was asked for alone."""

    shown = ("id", "app", "state")

    id: str
    app: str
    state: SubmissionState
    idempotency_key: str | None
    created_at: datetime | None
    size: int
    errors: tuple[Mapping[str, str], ...]
    draft: str | None


@record
class Suppression(Record):
    """An address that the app must not mail."""

    shown = ("id", "reason")

    id: str
    address: str
    reason: SuppressionReason
    tag: str | None
    note: str | None
    event_id: str | None
    created_at: datetime
    updated_at: datetime


@record
class Key(_ShowsSecrets):
    """An API key.

    Attributes:
        key: the key itself, in the result of ``create`` only.
    """

    shown = ("id", "name")
    secret_name = "key"  # noqa: S105 - a field's name

    id: str
    name: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    expires_at: datetime | None
    app: str
    created_at: datetime
    updated_at: datetime
    key: str | None
