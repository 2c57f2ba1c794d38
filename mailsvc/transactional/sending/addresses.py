"""Addresses as people have them, turned into RFC 5322 text."""

import re
from collections.abc import Iterable
from typing import Protocol, TypeAlias, TypeGuard, cast

__all__ = ["AddressLike", "Addresses", "address", "addresses"]


class Address(Protocol):
    """``email.headerregistry.Address``, which takes long to import."""

    @property
    def display_name(self) -> str:
        """The name."""
        ...

    @property
    def addr_spec(self) -> str:
        """The address without the name."""
        ...


AddressLike: TypeAlias = str | Address | tuple[str | None, str]
Addresses: TypeAlias = AddressLike | Iterable[AddressLike]

# RFC 5322 section 3.2.3: what may not stand in a phrase without quotes.
_SPECIALS = re.compile(r'[()<>\[\]:;@\\,."]')


def address(value: AddressLike) -> str:
    """Return an address as text, its name quoted where it must be.

    Raises TypeError for another type, ValueError for a tuple that looks like two addresses.
    """
    if isinstance(value, str):
        return value
    if _is_address(value):
        return _named(value.display_name, value.addr_spec)
    if is_named(value):
        return _named(*_told_apart(*value))
    raise TypeError(f"an address is a str, an Address or a tuple (name, address), not {type(value).__name__}")


def _is_address(value: object) -> TypeGuard[Address]:
    # By its attributes: before Python 3.12, isinstance of a protocol takes as long as all the rest of a send.
    return hasattr(value, "addr_spec") and hasattr(value, "display_name")


def is_named(value: object) -> TypeGuard[tuple[str | None, str]]:
    """Whether it is a tuple of name and address."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[1], str)
        and (value[0] is None or isinstance(value[0], str))
    )


def _told_apart(name: str | None, mail: str) -> tuple[str | None, str]:
    if name and "@" in name and name != mail:
        raise ValueError("a tuple of two strings is (name, address); for two addresses write a list")
    return name, mail


def _named(name: str | None, mail: str) -> str:
    return f"{_phrase(name)} <{mail}>" if name else mail


def _phrase(name: str) -> str:
    if not _SPECIALS.search(name):
        return name  # words beyond ASCII stay as they are: the service encodes them
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def addresses(value: Addresses) -> str | list[str]:
    """Return one address or several; a string stays a string."""
    if isinstance(value, str):
        return value
    if _is_address(value) or is_named(value):
        return [address(value)]
    return [address(entry) for entry in cast("Iterable[AddressLike]", value)]
