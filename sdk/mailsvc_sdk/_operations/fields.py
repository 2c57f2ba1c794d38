"""The fields of objects, as keywords of ``create`` and ``update``."""

from collections.abc import Iterable
from typing import Literal, Required, TypedDict

from mailsvc_sdk._models.words import RelayAuth, Scope, Tls
from mailsvc_sdk._sending.times import When

__all__ = [
    "KeyChanges",
    "MailboxChanges",
    "NewKey",
    "NewMailbox",
    "NewRelay",
    "NewWebhook",
    "RelayChanges",
    "WebhookChanges",
]


class OAuth(TypedDict, total=False):
    """How tokens are got (RFC 6749)."""

    preset: Literal["google", "microsoft"]
    grant: Literal["refresh_token", "client_credentials"]
    token_url: str
    client_id: str
    client_secret: str
    refresh_token: str
    scope: str
    tenant: str
    access_token: str


class RelayTimeoutFields(TypedDict, total=False):
    """Seconds per stage of SMTP."""

    connect: float
    greeting: float
    ehlo: float
    mail: float
    rcpt: float
    data: float
    body: float
    eom: float


class _Relay(TypedDict, total=False):
    port: int | None
    tls: Tls | None
    verify: bool | None
    ca_pem: str | None
    username: str | None
    password: str | None
    auth: RelayAuth | None
    oauth: OAuth | str | None
    max_connections: int | None
    max_messages_per_connection: int | None
    max_recipients: int | None
    pipelining: Literal["auto", "off"] | None
    rate: str | None
    return_path: str | None
    verp: bool | None
    dsn: bool | None
    ehlo: str | None
    reply_token: bool | None
    unsubscribe_mailbox: str | None
    file_sent: bool | None
    default: bool | None
    enabled: bool | None
    timeouts: RelayTimeoutFields | None


class NewRelay(_Relay, total=False):
    """The fields of a new relay."""

    name: Required[str]
    host: Required[str]


class RelayChanges(_Relay, total=False):
    """The fields of a relay to change; None resets one."""

    name: str | None
    host: str | None


class _Mailbox(TypedDict, total=False):
    protocol: Literal["imap", "pop3"] | None
    port: int | None
    tls: Tls | None
    verify: bool | None
    ca_pem: str | None
    password: str | None
    oauth: OAuth | str | None
    folder: str | None
    after: str | None
    first_read: Literal["new", "all"] | None
    poll_interval: int | None
    idle: bool | None
    relay: str | None
    sent_folder: str | None
    enabled: bool | None


class NewMailbox(_Mailbox, total=False):
    """The fields of a new mailbox."""

    name: Required[str]
    host: Required[str]
    username: Required[str]


class MailboxChanges(_Mailbox, total=False):
    """The fields of a mailbox to change; None resets one."""

    name: str | None
    host: str | None
    username: str | None


class _Webhook(TypedDict, total=False):
    events: Iterable[str] | None
    description: str | None
    ca_pem: str | None
    enabled: bool | None


class NewWebhook(_Webhook, total=False):
    """The fields of a new webhook."""

    url: Required[str]


class WebhookChanges(_Webhook, total=False):
    """The fields of a webhook to change; None resets one."""

    url: str | None


class KeyChanges(TypedDict, total=False):
    """The fields of a key to change; None resets one."""

    name: str | None
    scopes: Iterable[Scope] | None
    networks: Iterable[str] | None
    expires_at: When | None


class NewKey(TypedDict, total=False):
    """The fields of a new key, less its name."""

    scopes: Required[Iterable[Scope]]
    networks: Iterable[str] | None
    expires_at: When | None
    app: str | None
