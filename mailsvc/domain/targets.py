"""The addresses that a webhook may reach. A URL is checked when it is set, every address again at connect."""

import ipaddress
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

import idna

__all__ = ["Forbidden", "TargetPolicy", "check_url", "literal_address", "vet"]

TargetPolicy = Literal["any", "public"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Networks that embed an IPv4 address, with the position of its lowest bit: the embedded address decides.
_EMBEDDING = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # translated (SIIT)
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
# Not global, whatever the standard library says.
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "168.63.129.16/32",  # a cloud gives its machines secrets there; the addresses of other clouds are not global
        "192.88.99.0/24",
        "240.0.0.0/4",
        "::/8",
        "3fff::/20",
        "64:ff9b:1::/48",
        "fec0::/10",
        "5f00::/16",
    )
)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


class Forbidden(ValueError):
    """An address that the target rule doesn't allow; the text names the setting."""


@lru_cache(maxsize=1024)
def check_url(url: str, policy: TargetPolicy) -> str:
    """Return the URL in the form in which it will be called.

    Raises:
        ValueError: it is no usable http(s) URL, or contains a forbidden address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL such as https://app.example/mail-events") from None
    if port == 0:
        raise ValueError("must not name port 0")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password")
    if not url.isprintable() or " " in url or len(url) > 2000:
        raise ValueError("must not contain spaces or control characters, and have at most 2000 characters")
    if not (parts.path + parts.query).isascii():
        raise ValueError("must have its path and query percent-encoded: %C3%A9 for é")
    host = _host(parts.hostname)
    if (literal := literal_address(host)) is not None:
        vet([literal], policy)
        host = f"[{literal}]" if literal.version == 6 else str(literal)
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def vet(addresses: Iterable[Address], policy: TargetPolicy, *, setting: str = "MAILSVC_WEBHOOK_TARGETS") -> None:
    """Raises Forbidden if one of a name's addresses may not be reached: then the name is not used at all."""
    for address in addresses:
        if policy == "public" and not is_public(address):
            raise Forbidden(f"{address} is not a public address ({setting}=any allows it)")


def is_public(address: Address) -> bool:
    """Whether the address leads to the public internet, also through an embedded address."""
    if isinstance(address, ipaddress.IPv6Address):
        if (inner := _embedded(address)) is not None:
            return is_public(inner)
        if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
            return False
    if address.is_multicast or not address.is_global:
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    for network, low_bit in _EMBEDDING:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> low_bit & 0xFFFF_FFFF)
    return None


def _host(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f"has a host name that is not valid: {error}") from error


def literal_address(host: str) -> Address | None:
    """Return the address in a host, in every form that a resolver would take for one (127.1, 0x7f000001)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except (OSError, ipaddress.AddressValueError):
        return None
