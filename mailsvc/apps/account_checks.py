"""Checks of what relays and mailboxes have in common: an account on a server."""

import ipaddress
import re

from mailsvc.domain.certificates import check_ca_pem
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.targets import Forbidden, TargetPolicy, literal_address, vet
from mailsvc.oauth.grant import MASK

__all__ = [
    "MASK",
    "check_ca",
    "check_host",
    "check_name",
    "check_plaintext",
    "check_range",
    "check_target",
    "no_control",
    "raise_if_any",
    "unless",
]

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"  # container names may contain underscores
_HOST = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def raise_if_any(errors: list[FieldError | None]) -> None:
    """Raises Invalid with all errors, if there are any."""
    found = [error for error in errors if error]
    if found:
        raise Invalid(*found)


def unless(condition: object, field: str, detail: str) -> FieldError | None:
    return None if condition else FieldError(field, detail)


def check_name(name: str) -> FieldError | None:
    return unless(_NAME.fullmatch(name), "name", "must be 1 to 64 letters, digits, dots, dashes or underscores")


def check_host(host: str, example: str) -> FieldError | None:
    return unless(_is_host(host), "host", f"must be a host name such as {example}, or an IP address")


def check_range(field: str, value: int, least: int, most: int) -> FieldError | None:
    return unless(least <= value <= most, field, f"must be from {least} to {most}")


def check_plaintext(tls: str, host: str, *, allow_plaintext: bool) -> FieldError | None:
    return unless(
        tls != "none" or allow_plaintext or _is_loopback(host),
        "tls",
        "none is allowed only for a loopback host, or with MAILSVC_ALLOW_PLAINTEXT=1",
    )


def no_control(field: str, text: str | None) -> FieldError | None:
    return unless(
        text is None or (text.isprintable() and len(text) <= 4096),
        field,
        "must have at most 4096 characters, none of them control characters",
    )


def check_ca(pem: str | None) -> FieldError | None:
    """Return the error in the field ``ca_pem``, if there is one."""
    try:
        if pem is not None:
            check_ca_pem(pem)
    except ValueError as error:
        return FieldError("ca_pem", str(error))
    return None


def check_target(host: str, targets: TargetPolicy) -> None:
    """Raises Invalid for an address that may not be dialled; names are resolved and checked at every connect."""
    if (literal := literal_address(host)) is None:
        return
    try:
        vet([literal], targets, setting="MAILSVC_RELAY_TARGETS")
    except Forbidden as error:
        raise Invalid(FieldError("host", str(error))) from None


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
