"""The relay object as applications write and see it, and its row."""

import ipaddress
import json
import re
from typing import Any, Literal

import msgspec

from mailsvc import clock
from mailsvc.domain.certificates import check_ca_pem
from mailsvc.domain.ehlo import is_ehlo_name
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.jsontext import compact
from mailsvc.domain.relay import Timeouts
from mailsvc.domain.returnpath import return_path_flaw
from mailsvc.settings import BadSetting, parse_rate
from mailsvc.store.vault import Vault

__all__ = [
    "MASK",
    "NewRelay",
    "OAuth",
    "RelayTimeouts",
    "check_ca",
    "relay_form",
    "relay_values",
    "shown_relay",
    "validate_relay",
]

MASK = "********"
_SECRETS = ("password", "oauth")
_LATER_FIELDS = {
    "max_recipients": 100,
    "pipelining": "auto",
    "ehlo": None,
}  # which relays made by an older version don't have
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"  # with underscores, as containers are named
_HOST = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class OAuth(msgspec.Struct, forbid_unknown_fields=True):
    """An OAuth 2 access token for XOAUTH2 or OAUTHBEARER."""

    access_token: str | None = None


class RelayTimeouts(msgspec.Struct, forbid_unknown_fields=True):
    """Seconds to wait in each phase of a session."""

    connect: float = Timeouts().connect
    greeting: float = Timeouts().greeting
    ehlo: float = Timeouts().ehlo
    mail: float = Timeouts().mail
    rcpt: float = Timeouts().rcpt
    data: float = Timeouts().data
    body: float = Timeouts().body
    eom: float = Timeouts().eom


class NewRelay(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A submission account at a mail provider or company mail server."""

    name: str
    host: str
    port: int = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    verify: bool = True
    ca_pem: str | None = None
    username: str | None = None
    password: str | None = None
    auth: Literal["auto", "plain", "login", "cram-md5", "scram-sha-256", "xoauth2", "oauthbearer"] = "auto"
    oauth: OAuth | None = None
    max_connections: int = 10
    max_messages_per_connection: int = 100
    max_recipients: int = 100
    pipelining: Literal["auto", "off"] = "auto"
    rate: str | None = None
    return_path: str | None = None
    verp: bool = True
    dsn: bool = True
    ehlo: str | None = None
    default: bool = True
    enabled: bool = True
    timeouts: RelayTimeouts | None = None


def validate_relay(relay: NewRelay, *, allow_plaintext: bool) -> None:
    """Raises Invalid, with every field at fault."""
    wrong = [
        _unless(
            _NAME.fullmatch(relay.name),
            "name",
            "must be 1 to 64 letters, digits, dots, dashes or underscores",
        ),
        _unless(_is_host(relay.host), "host", "must be a host name such as smtp.example.com, or an IP address"),
        _unless(1 <= relay.port <= 65535, "port", "must be from 1 to 65535"),
        _unless(
            1 <= relay.max_connections <= 1000,
            "max_connections",
            "must be from 1 to 1000",
        ),
        _unless(
            1 <= relay.max_messages_per_connection <= 1_000_000,
            "max_messages_per_connection",
            "must be from 1 to 1000000",
        ),
        _unless(1 <= relay.max_recipients <= 1000, "max_recipients", "must be from 1 to 1000"),
        _unless(
            relay.tls != "none" or allow_plaintext or _is_loopback(relay.host),
            "tls",
            "none is refused but for loopback (or with MAILSVC_ALLOW_PLAINTEXT=1)",
        ),
        _unless(
            relay.username or (relay.username is None and not _secrets_of(relay)),
            "username",
            "is needed with a password or token, and can't be empty",
        ),
        *(_no_control(name, getattr(relay, name)) for name in ("username", "password")),
        _check_rate(relay.rate),
        _check_return_path(relay),
        _check_ehlo(relay.ehlo),
        check_ca(relay.ca_pem),
        *_check_timeouts(relay.timeouts),
    ]
    errors = [error for error in wrong if error]
    if errors:
        raise Invalid(*errors)


def relay_values(relay: NewRelay, vault: Vault) -> dict[str, Any]:
    """The columns of the row that keeps this relay."""
    config = msgspec.to_builtins(relay) | {"host": relay.host.removesuffix(".")}
    for apart in ("name", "default", "enabled", *_SECRETS):
        config.pop(apart)
    secret = _secrets_of(relay)
    return {
        "name": relay.name,
        "config": compact(config | {"secrets": list(secret)}),  # their names alone: who shows a relay can't decrypt
        "secret": vault.encrypt(json.dumps(secret)) if secret else None,
        "enabled": relay.enabled,
        "is_default": relay.default,
    }


def relay_form(row: Any, vault: Vault) -> NewRelay:
    """The form that would make this row, secrets included: what a PATCH starts from."""
    whole = json.loads(row.config) | {
        "name": row.name,
        "default": bool(row.is_default),
        "enabled": bool(row.enabled),
        **(json.loads(vault.decrypt(row.secret)) if row.secret else {}),
    }
    whole.pop("secrets", None)
    return msgspec.convert(whole, NewRelay)


def shown_relay(row: Any) -> dict[str, Any]:
    """The relay object as the API shows it; secrets are masked."""
    config = json.loads(row.config)
    backing_off = row.retry_at is not None
    status = "paused" if row.paused else "backing_off" if backing_off else "active"
    known = config.pop("secrets", ())
    return {
        "id": row.id,
        "name": row.name,
        **_LATER_FIELDS,
        **config,
        "timeouts": msgspec.to_builtins(msgspec.convert(config.get("timeouts") or {}, RelayTimeouts)),
        **{name: MASK if name in known else None for name in _SECRETS},
        "default": bool(row.is_default),
        "enabled": bool(row.enabled),
        "managed": bool(row.managed),
        "status": status,
        "status_reason": (row.pause_reason or "paused by hand")
        if row.paused
        else row.last_error
        if backing_off
        else None,
        "retry_at": clock.rfc3339(row.retry_at) if backing_off else None,
        "last_error": row.last_error,
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }


def _secrets_of(relay: NewRelay) -> dict[str, Any]:
    """What of a relay must be encrypted, as far as it is set."""
    found = {"password": relay.password, "oauth": msgspec.to_builtins(relay.oauth) if relay.oauth else None}
    if relay.oauth and relay.oauth.access_token is None:
        found["oauth"] = None
    return {name: value for name, value in found.items() if value is not None}


def _unless(condition: object, field: str, detail: str) -> FieldError | None:
    return None if condition else FieldError(field, detail)


def _no_control(field: str, text: str | None) -> FieldError | None:
    return _unless(
        text is None or (text.isprintable() and len(text) <= 4096),
        field,
        "must have at most 4096 characters, none of them control characters",
    )


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        is_number = host.rstrip(".").rpartition(".")[2].isdigit()  # no name ends so, and no address is written so
        return bool(_HOST.fullmatch(host)) and not is_number
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_rate(rate: str | None) -> FieldError | None:
    try:
        if rate is not None:
            parse_rate(rate, "rate")
    except BadSetting as error:
        return FieldError("rate", str(error).removeprefix("rate ").removesuffix("."))
    return None


def _check_return_path(relay: NewRelay) -> FieldError | None:
    flaw = None if relay.return_path is None else return_path_flaw(relay.return_path, verp=relay.verp)
    return FieldError("return_path", flaw) if flaw else None


def _check_ehlo(name: str | None) -> FieldError | None:
    return _unless(
        name is None or is_ehlo_name(name),
        "ehlo",
        "must be a host name such as app.example.com, or an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]",
    )


def check_ca(pem: str | None) -> FieldError | None:
    """What is wrong with the field ``ca_pem`` of a relay or webhook, if anything."""
    try:
        if pem is not None:
            check_ca_pem(pem)
    except ValueError as error:
        return FieldError("ca_pem", str(error))
    return None


def _check_timeouts(timeouts: RelayTimeouts | None) -> list[FieldError | None]:
    if timeouts is None:
        return []
    given = msgspec.to_builtins(timeouts)
    return [
        _unless(
            0.1 <= seconds <= 3600,
            f"timeouts.{phase}",
            "must be from 0.1 to 3600 seconds",
        )
        for phase, seconds in given.items()
    ]
