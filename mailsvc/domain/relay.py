"""A relay: the SMTP submission account (RFC 6409) through which messages are sent."""

from dataclasses import dataclass, field
from typing import Literal

from mailsvc.domain.targets import TargetPolicy

SANDBOX = "sandbox"  # the managed relay that delivers nothing, used while there is no other, and its mailbox
SANDBOX_HOST = "127.0.0.1"

TlsMode = Literal["starttls", "implicit", "none"]
AuthMechanism = Literal["auto", "plain", "login", "cram-md5", "scram-sha-256", "xoauth2", "oauthbearer"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait in each phase; the defaults are Postfix's (RFC 5321 section 4.5.3.2)."""

    connect: float = 30
    greeting: float = 300
    ehlo: float = 300
    mail: float = 300
    rcpt: float = 300
    data: float = 120
    body: float = 180
    eom: float = 600


@dataclass(frozen=True, slots=True)
class Relay:
    """Everything that a submission through one account needs; secrets are decrypted."""

    id: str
    name: str
    host: str
    port: int = 587
    tls: TlsMode = "starttls"
    verify: bool = True
    ca_pem: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    auth: AuthMechanism = "auto"
    access_token: str | None = field(default=None, repr=False)  # of OAuth 2
    renews_token: bool = False  # its access tokens come from a token endpoint
    max_connections: int = 10
    max_messages_per_connection: int = 100
    max_recipients: int = 100  # per transaction; every server must accept 100 (RFC 5321 section 4.5.3.1.8)
    pipelining: Literal["auto", "off"] = "auto"
    rate: float | None = None  # deliveries per second; None for no limit
    return_path: str | None = None
    verp: bool = True
    dsn: bool = True
    reply_token: bool = False  # replies come back to an address that names the message
    unsubscribe_mailbox: str | None = None  # the name or id of the mailbox for unsubscribe mails
    ehlo: str | None = None  # our name in EHLO; None for this host's name or address
    targets: TargetPolicy = "any"  # the addresses that may be dialled
    timeouts: Timeouts = field(default_factory=Timeouts)

    @property
    def needs_token(self) -> bool:
        """Whether a session begins with getting an access token; a password that is set, too, comes first."""
        return self.renews_token and (self.password is None or self.auth in ("xoauth2", "oauthbearer"))
