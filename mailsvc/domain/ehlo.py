"""The name of a client in EHLO: a host name or an address literal (RFC 5321 section 4.1.4)."""

import ipaddress
import re

__all__ = ["address_literal", "is_ehlo_name", "is_full_name"]

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_GENERIC = ("localhost", "localdomain", "local", "internal", "lan")  # these name no host outside of their network


def is_full_name(host: str) -> bool:
    """Whether a host's name means the same host everywhere."""
    last = host.lower().rpartition(".")[2]
    return "." in host and bool(_NAME.fullmatch(host)) and not last.isdigit() and last not in _GENERIC


def is_ehlo_name(text: str) -> bool:
    """Whether this name can be used in EHLO."""
    if not text.startswith("["):
        return bool(_NAME.fullmatch(text)) and not text.rpartition(".")[2].isdigit()
    inner = text[1:-1] if text.endswith("]") else ""
    try:
        return address_literal(inner.removeprefix("IPv6:")) == text
    except ValueError:
        return False


def address_literal(address: str) -> str:
    """Return ``[192.0.2.1]`` for ``192.0.2.1``, ``[IPv6:2001:db8::1]`` for ``2001:db8::1%eth0``; raises ValueError."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return f"[IPv6:{found}]" if found.version == 6 else f"[{found}]"
