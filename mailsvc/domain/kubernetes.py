"""Recognises environment variables that Kubernetes sets for Services in every pod; they can look like our settings."""

import ipaddress
import re

__all__ = ["is_of_a_service"]

_LINK = re.compile(r"(?:tcp|udp|sctp)://(.+):(\d+)", re.ASCII)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdigit() and 0 < int(value[:6]) <= 65535


def _is_link(value: str) -> bool:
    match = _LINK.fullmatch(value)
    return match is not None and _is_address(match[1].strip("[]")) and _is_port(match[2])


_SHAPES = (
    (re.compile(r"SERVICE_HOST|PORT_\d+_(?:TCP|UDP|SCTP)_ADDR"), _is_address),
    (re.compile(r"SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)_PORT"), _is_port),
    (re.compile(r"PORT(?:_\d+_(?:TCP|UDP|SCTP))?"), _is_link),
    (re.compile(r"PORT_\d+_(?:TCP|UDP|SCTP)_PROTO"), ("tcp", "udp", "sctp").__contains__),
)


def is_of_a_service(variable: str, value: str, service: str) -> bool:
    """Whether the variable describes a Service of this name, or one whose name continues after a dash.

    Both the variable's name and the form of its value must match: a misspelt setting seldom does.
    """
    prefix = service.upper().replace("-", "_") + "_"
    if not variable.startswith(prefix):
        return False
    words = variable.removeprefix(prefix).split("_")
    endings = ("_".join(words[start:]) for start in range(len(words)))
    return any(name.fullmatch(ending) and fits(value) for ending in endings for name, fits in _SHAPES)
