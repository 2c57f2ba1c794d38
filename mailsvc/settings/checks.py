"""Checks settings, each and together."""

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailsvc.domain.certificates import check_ca_pem
from mailsvc.domain.settingurls import ENCODED, authority_flaw, percent_flaw
from mailsvc.domain.signing import check_secret
from mailsvc.settings.conversion import PREFIX
from mailsvc.settings.mailbox_url import parse_mailbox_urls
from mailsvc.settings.relay_url import parse_relay_url
from mailsvc.settings.values import BadSetting

if TYPE_CHECKING:
    from mailsvc.settings.model import Settings

__all__ = ["LEAST_SECRET", "check"]

LEAST_SECRET = 32  # characters
_AUTHORITY = re.compile(r"postgresql\+psycopg://([^/?]*)")
_PORT = re.compile(r"(?:\[[^]]*\]|[^:[]*):(.+)")
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_AT_LEAST_ONE = ("max_request_bytes", "max_message_bytes", "max_inbound_bytes", "max_recipients", "lease_seconds")
_PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#/]+)*", re.ASCII)
_SHAPE_OF_KEY = re.compile(r"[A-Za-z0-9_-]{32,}", re.ASCII)


def check(settings: "Settings") -> None:
    """Check each setting, and all together; raises BadSetting."""
    host, colon, port = settings.bind.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise BadSetting(f"MAILSVC_BIND must be an address and a port such as 127.0.0.1:8025, not {settings.bind!r}.")
    if settings.webhook_targets not in ("", "any", "public"):
        raise BadSetting("MAILSVC_WEBHOOK_TARGETS must be any or public.")
    if settings.relay_targets not in ("any", "public"):
        raise BadSetting("MAILSVC_RELAY_TARGETS must be any or public.")
    if settings.log_format not in ("", "console", "json"):
        raise BadSetting("MAILSVC_LOG_FORMAT must be console or json.")
    if settings.log_level.lower() not in ("debug", "info", "warning", "error"):
        raise BadSetting("MAILSVC_LOG_LEVEL must be debug, info, warning or error.")
    for name in _AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            raise BadSetting(f"{PREFIX}{name.upper()} must be at least 1.")
    _check_secrets(settings)
    _check_urls(settings)


def _check_urls(settings: "Settings") -> None:
    if settings.relay_url is not None:
        parse_relay_url(settings.relay_url)
    parse_mailbox_urls(settings.mailbox_url or "")
    for name in ("database_url", "listen_url", "webhook_url"):
        if flaw := percent_flaw(getattr(settings, name) or ""):
            raise BadSetting(f"{PREFIX}{name.upper()} {flaw}.")
    if settings.public_url is not None and not _PUBLIC_URL.fullmatch(settings.public_url):
        raise BadSetting("MAILSVC_PUBLIC_URL must be a URL such as https://mail.example.com, without a / at its end.")
    if settings.database_url:
        _check_database_url(settings.database_url)
    if settings.listen_url and not (
        settings.listen_url.startswith("postgresql+psycopg://") and _is_database_url(settings.listen_url)
    ):
        raise BadSetting("MAILSVC_LISTEN_URL must be a URL such as postgresql+psycopg://user:password@host:5432/name.")
    if settings.database_schema is not None:
        _check_schema(settings.database_schema, settings.database_url)


def _check_secrets(settings: "Settings") -> None:
    if settings.api_key is not None and not _SHAPE_OF_KEY.fullmatch(settings.api_key):
        raise BadSetting("MAILSVC_API_KEY must be at least 32 characters of A-Z a-z 0-9 _ and -.")
    if settings.secret_key is not None and not _are_long(settings.secret_key):
        raise BadSetting(
            f"MAILSVC_SECRET_KEY must hold a key of at least {LEAST_SECRET} characters, or several separated by commas; "
            "`openssl rand -hex 32` makes one."
        )
    if settings.webhook_secret is not None:
        _check_webhook_secret(settings.webhook_secret)
    if settings.webhook_ca is not None:
        _check_webhook_ca(settings.webhook_ca)


def _are_long(keys: str) -> bool:
    lengths = [len(key.strip()) for key in keys.split(",") if key.strip()]
    return bool(lengths) and min(lengths) >= LEAST_SECRET


def _check_webhook_secret(text: str) -> None:
    try:
        check_secret(text)
    except ValueError as error:
        raise BadSetting(f"MAILSVC_WEBHOOK_SECRET can't be used: {error}.") from None


def _check_webhook_ca(pem: str) -> None:
    try:
        check_ca_pem(pem)
    except ValueError as error:
        raise BadSetting(f"MAILSVC_WEBHOOK_CA names a file that {error}.") from None


def _check_database_url(url: str) -> None:
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise BadSetting("MAILSVC_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://.")
    if url.startswith("sqlite") and url.removeprefix("sqlite:///").partition("?")[0] in ("", ":memory:"):
        raise BadSetting("MAILSVC_DATABASE_URL must name a file: what is only in memory does not survive the process.")
    if not url.startswith("sqlite") and not _is_database_url(url):
        raise BadSetting(
            f"MAILSVC_DATABASE_URL is not a URL such as postgresql+psycopg://user:password@host:5432/name; {ENCODED}."
        )


def _check_schema(schema: str, url: str) -> None:
    if not _SCHEMA.fullmatch(schema):
        raise BadSetting("MAILSVC_DATABASE_SCHEMA must be a name of up to 63 characters of A-Z a-z 0-9 and _.")
    if not url.startswith("postgresql"):
        raise BadSetting(
            "MAILSVC_DATABASE_SCHEMA needs MAILSVC_DATABASE_URL to be one of PostgreSQL: SQLite has no schemas."
        )


def _is_database_url(url: str) -> bool:
    authority = _AUTHORITY.match(url)
    port = _PORT.fullmatch(authority[1].rpartition("@")[2]) if authority else None
    query = urlsplit(url).query if authority_flaw(url) is None else "-"
    return (not port or port[1].isdecimal()) and all("=" in option for option in query.split("&") if option)
