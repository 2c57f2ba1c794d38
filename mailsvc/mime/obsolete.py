"""Rewrites obsolete header syntax (RFC 5322 section 4.5), for parsers that know only the current one."""

import re

__all__ = ["without_obsolete_space"]

_BEFORE_COLON = re.compile(rb"^([!-9;-~]+)[ \t]+:", re.MULTILINE)


def without_obsolete_space(head: bytes) -> bytes:
    """Return the header without white space before its colons: the standard library takes such lines for the body."""
    return _BEFORE_COLON.sub(rb"\1:", head)
