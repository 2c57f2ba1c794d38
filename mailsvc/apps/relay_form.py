"""The relay object as applications send it, and its checks."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from mailsvc.domain.certificates import check_ca_pem
from mailsvc.domain.ehlo import is_ehlo_name
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.relay import Timeouts
from mailsvc.domain.returnpath import return_path_flaw
from mailsvc.domain.targets import Forbidden, TargetPolicy, literal_address, vet
from mailsvc.settings import BadSetting, parse_rate

__all__ = [
    "MASK",
    "SECRETS",
    "NewRelay",
    "OAuth",
    "RelayRules",
    "RelayTimeouts",
    "check_ca",
    "check_relay",
    "secrets_of",
    "validate_relay",
]

MASK = "********"  # shown in place of a stored secret
SECRETS = ("password", "oauth")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"  # container names may contain underscores
_HOST = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")
_RANGES = {
    "port": (1, 65535),
    "max_connections": (1, 1000),
    "max_messages_per_connection": (1, 1_000_000),
    "max_recipients": (1, 1000),
}
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


@dataclass(frozen=True, slots=True)
class RelayRules:
    """The rules that the settings set for the relays of an app."""

    allow_plaintext: bool
    targets: TargetPolicy


def check_relay(relay: NewRelay, rules: RelayRules) -> None:
    """Raises Invalid for a relay that the app may not have."""
    _refuse_mask(relay)
    validate_relay(relay, allow_plaintext=rules.allow_plaintext)
    _check_target(relay.host, rules.targets)


def validate_relay(relay: NewRelay, *, allow_plaintext: bool) -> None:
    """Raises Invalid, which names every wrong field."""
    wrong = [
        _unless(_NAME.fullmatch(relay.name), "name", "must be 1 to 64 letters, digits, dots, dashes or underscores"),
        _unless(_is_host(relay.host), "host", "must be a host name such as smtp.example.com, or an IP address"),
        *(_check_range(relay, field) for field in _RANGES),
        _check_tls(relay, allow_plaintext=allow_plaintext),
        _check_username(relay),
        *(_no_control(field, getattr(relay, field)) for field in ("username", "password")),
        _check_rate(relay.rate),
        _check_return_path(relay),
        _check_ehlo(relay.ehlo),
        check_ca(relay.ca_pem),
        *_check_timeouts(relay.timeouts),
    ]
    errors = [error for error in wrong if error]
    if errors:
        raise Invalid(*errors)


def _refuse_mask(relay: NewRelay) -> None:
    token = relay.oauth and relay.oauth.access_token
    for field, value in (("password", relay.password), ("oauth.access_token", token)):
        if value == MASK:
            raise Invalid(FieldError(field, "is the placeholder for a stored secret; send the real value"))


def _check_target(host: str, targets: TargetPolicy) -> None:
    if (literal := literal_address(host)) is None:
        return  # names are resolved and checked at every connect
    try:
        vet([literal], targets, setting="MAILSVC_RELAY_TARGETS")
    except Forbidden as error:
        raise Invalid(FieldError("host", str(error))) from None


def secrets_of(relay: NewRelay) -> dict[str, Any]:
    """Return the fields that are stored encrypted, if they are set."""
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
        is_number = host.rstrip(".").rpartition(".")[2].isdigit()  # no name or address ends in a plain number
        return bool(_HOST.fullmatch(host)) and not is_number
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_range(relay: NewRelay, field: str) -> FieldError | None:
    least, most = _RANGES[field]
    return _unless(least <= getattr(relay, field) <= most, field, f"must be from {least} to {most}")


def _check_tls(relay: NewRelay, *, allow_plaintext: bool) -> FieldError | None:
    return _unless(
        relay.tls != "none" or allow_plaintext or _is_loopback(relay.host),
        "tls",
        "none is allowed only for a loopback host, or with MAILSVC_ALLOW_PLAINTEXT=1",
    )


def _check_username(relay: NewRelay) -> FieldError | None:
    return _unless(
        relay.username or (relay.username is None and not secrets_of(relay)),
        "username",
        "is required with a password or token, and must not be empty",
    )


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
    """Return the error in the field ``ca_pem`` of a relay or webhook, if there is one."""
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
