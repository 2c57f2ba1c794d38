"""Obsolete syntax that is still a header (RFC 5322 section 4.5), for readers that know only the present one."""

import re

__all__ = ["without_obsolete_space"]

_BEFORE_COLON = re.compile(rb"^([!-9;-~]+)[ \t]+:", re.MULTILINE)


def without_obsolete_space(head: bytes) -> bytes:
    """The header block with no white space before its colons: the standard library takes such a line for the body's first."""
    return _BEFORE_COLON.sub(rb"\1:", head)
