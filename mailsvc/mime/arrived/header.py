"""Splits the header block of an arrived entity into its fields: lenient, in linear time, whatever the bytes are.

A line ends with LF; CRs before it belong to the line break. What is no field is skipped, as Dovecot does, so that one
damaged line does not hide the fields after it.
"""

import re
from typing import NamedTuple

__all__ = ["Field", "header_end", "split_header"]

_BLANK_LINE = re.compile(rb"\n\r*\n")
_NAME = re.compile(rb"[!-9;-~]+")


class Field(NamedTuple):
    """A header field, its value folded and encoded as it arrived."""

    name: str
    value: bytes


def header_end(raw: bytes) -> tuple[int, int]:
    """Return where the header's lines end and where the body begins."""
    # Empty lines at the beginning come from programs that add one; the header follows.
    start = len(raw) - len(raw.lstrip(b"\r\n"))
    blank = _BLANK_LINE.search(raw, start)
    return (blank.start() + 1, blank.end()) if blank else (len(raw), len(raw))


def split_header(block: bytes) -> list[Field]:
    """Return the fields of a header block in their order."""
    fields: list[tuple[bytes, list[bytes]]] = []
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            lines.append(line)
            continue
        name, colon, value = line.partition(b":")
        # White space before the colon is obsolete, but legal (RFC 5322 section 4.5).
        name = name.rstrip(b" \t")
        lines = [value]
        if colon and _NAME.fullmatch(name):
            fields.append((name, lines))
    return [Field(name.decode("ascii"), b"\n".join(lines)) for name, lines in fields]
