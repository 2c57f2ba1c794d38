"""How a mailbox is reached, and as whom."""

from dataclasses import dataclass, field
from typing import Literal

from mailsvc.domain.targets import TargetPolicy

__all__ = ["Auth", "Credentials", "Server", "Timeouts", "TlsMode"]

TlsMode = Literal["implicit", "starttls", "none"]
Auth = Literal["auto", "user", "login", "plain", "xoauth2", "oauthbearer"]  # user: of POP3; login: of IMAP


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect to, and how the connection is protected."""

    host: str
    port: int
    tls: TlsMode = "implicit"
    verify: bool = True
    ca_pem: str | None = None  # certificates to trust instead of the system's
    targets: TargetPolicy = "any"  # which addresses may be dialled


@dataclass(frozen=True, slots=True)
class Credentials:
    """A password or an OAuth access token, which is never sent as a password."""

    username: str
    password: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    auth: Auth = "auto"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds.

    Silence is bounded, not the whole session: who must bound that, too, calls a session's ``close`` from another thread.
    """

    connect: float = 15  # all addresses of the host together
    tls: float = 15
    reply: float = 60  # between two pieces of a response, and for sending a command
