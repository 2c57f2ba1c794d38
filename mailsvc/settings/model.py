"""The settings: frozen, with their defaults."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from mailsvc.domain.bounce import USUAL_LIMIT, SoftBounceLimit
from mailsvc.domain.draft import Limits
from mailsvc.settings.checks import check
from mailsvc.settings.conversion import converted, require_kind

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; see the table in the README.

    Texts are taken as the environment's: ``rate_per_key="14/s"``, ``data_dir="mail"``. Its ``repr`` shows no setting that
    is a secret or may hold one.

    Raises:
        BadSetting: one can't be used.
    """

    data_dir: Path = Path("mailsvc-data")
    database_url: str = field(default="", repr=False)
    listen_url: str | None = field(default=None, repr=False)  # PostgreSQL without a pooler
    database_schema: str | None = None  # of PostgreSQL
    bind: str = "127.0.0.1:8025"
    api_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    relay_url: str | None = field(default=None, repr=False)
    mailbox_url: str | None = field(default=None, repr=False)  # several are separated by white space
    public_url: str | None = None
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_targets: Literal["any", "public", ""] = ""
    webhook_ca: str | None = None  # PEM
    relay_targets: Literal["any", "public"] = "any"
    log_format: Literal["console", "json", ""] = ""
    log_level: str = "info"
    allow_plaintext: bool = False
    max_request_bytes: int = 35 * 1024 * 1024
    max_message_bytes: int = 25 * 1024 * 1024
    max_recipients: int = 1000
    max_attachments: int = 100
    max_inbound_bytes: int = 25 * 1024 * 1024
    soft_bounce_limit: SoftBounceLimit | None = USUAL_LIMIT
    rate_per_key: float | None = None
    max_queue: int | None = None
    min_free_disk_bytes: int = 100 * 1024 * 1024
    lease_seconds: int = 60
    auto_migrate: bool = True

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, str) and each.type is not str:
                object.__setattr__(self, each.name, converted(each.name, each.type, value))
            else:
                require_kind(each.name, each.type, value)
        check(self)

    @property
    def database(self) -> str:
        """The database's URL, the embedded one by default; its parameter ``schema`` says where the tables are."""
        url = self.database_url or f"sqlite:///{self.data_dir / 'mailsvc.db'}"
        if self.database_schema is None:
            return url
        return f"{url}{'&' if '?' in url else '?'}schema={self.database_schema}"

    @property
    def host(self) -> str:
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.bind.rpartition(":")[2])

    @property
    def targets(self) -> Literal["any", "public"]:
        """Which addresses webhooks may reach: any while only this host can talk to us."""
        if self.webhook_targets:
            return self.webhook_targets
        return "any" if self.host in ("127.0.0.1", "::1", "localhost") else "public"

    @property
    def limits(self) -> Limits:
        return Limits(
            max_request_bytes=self.max_request_bytes,
            max_message_bytes=self.max_message_bytes,
            max_recipients=self.max_recipients,
            max_attachments=self.max_attachments,
        )
