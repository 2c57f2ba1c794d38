"""The relay object as applications send it, and its checks."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from mailsvc.apps.account_checks import (
    MASK,
    check_ca,
    check_host,
    check_name,
    check_plaintext,
    check_range,
    check_target,
    no_control,
    raise_if_any,
    unless,
)
from mailsvc.domain.ehlo import is_ehlo_name
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.relay import Timeouts
from mailsvc.domain.returnpath import return_path_flaw
from mailsvc.domain.targets import TargetPolicy
from mailsvc.oauth.grant import OAuth, check_oauth, check_oauth_target
from mailsvc.settings import BadSetting, parse_rate

__all__ = [
    "SECRETS",
    "NewRelay",
    "RelayRules",
    "RelayTimeouts",
    "check_relay",
    "secrets_of",
    "validate_relay",
]

SECRETS = ("password", "oauth")
_RANGES = {
    "port": (1, 65535),
    "max_connections": (1, 1000),
    "max_messages_per_connection": (1, 1_000_000),
    "max_recipients": (1, 1000),
}


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
    reply_token: bool = False
    unsubscribe_mailbox: str | None = None
    file_sent: bool = False
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
    check_target(relay.host, rules.targets)
    raise_if_any([check_oauth_target(relay.oauth, rules.targets)])


def validate_relay(relay: NewRelay, *, allow_plaintext: bool) -> None:
    """Raises Invalid, which names every wrong field."""
    raise_if_any(
        [
            check_name(relay.name),
            check_host(relay.host, "smtp.example.com"),
            *(check_range(field, getattr(relay, field), least, most) for field, (least, most) in _RANGES.items()),
            check_plaintext(relay.tls, relay.host, allow_plaintext=allow_plaintext),
            _check_username(relay),
            *(no_control(field, getattr(relay, field)) for field in ("username", "password")),
            _check_rate(relay.rate),
            _check_return_path(relay),
            _check_ehlo(relay.ehlo),
            no_control("unsubscribe_mailbox", relay.unsubscribe_mailbox),
            check_ca(relay.ca_pem),
            *_check_timeouts(relay.timeouts),
            *check_oauth(relay.oauth),
        ]
    )


def _refuse_mask(relay: NewRelay) -> None:
    if relay.password == MASK:
        raise Invalid(FieldError("password", "is the placeholder for a stored secret; send the real value"))


def secrets_of(relay: NewRelay) -> dict[str, Any]:
    """Return the fields that are stored encrypted, if they are set."""
    has_oauth = relay.oauth is not None and not relay.oauth.is_empty
    found = {"password": relay.password, "oauth": msgspec.to_builtins(relay.oauth) if has_oauth else None}
    return {name: value for name, value in found.items() if value is not None}


def _check_username(relay: NewRelay) -> FieldError | None:
    return unless(
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
    return unless(
        name is None or is_ehlo_name(name),
        "ehlo",
        "must be a host name such as app.example.com, or an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]",
    )


def _check_timeouts(timeouts: RelayTimeouts | None) -> list[FieldError | None]:
    if timeouts is None:
        return []
    given = msgspec.to_builtins(timeouts)
    return [
        unless(
            0.1 <= seconds <= 3600,
            f"timeouts.{phase}",
            "must be from 0.1 to 3600 seconds",
        )
        for phase, seconds in given.items()
    ]
