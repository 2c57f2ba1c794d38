"""A mailbox: the IMAP or POP3 account that is watched."""

from dataclasses import dataclass, field
from typing import Literal

from mailsvc.domain.targets import TargetPolicy

__all__ = ["Mailbox"]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Everything that a session with one account needs; secrets are decrypted."""

    id: str
    app_id: str
    name: str
    host: str
    port: int
    username: str
    protocol: Literal["imap", "pop3"] = "imap"
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    verify: bool = True
    ca_pem: str | None = None
    password: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)  # a fixed one, of OAuth 2
    renews_token: bool = False  # tokens come from a token endpoint: see ``apps.oauth_tokens``
    folder: str = "INBOX"
    after: str = "keep"
    reads_all: bool = False  # at the first look, what was there before is read, too
    poll_interval: int = 60  # seconds
    idle: bool = True
    sent_folder: str | None = None  # None for the one that the server or a common name says
    targets: TargetPolicy = "any"  # the addresses that may be dialled
