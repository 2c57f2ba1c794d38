"""Describes errors in the URLs of settings, without quoting them, because any part may be a password's."""

import re
from urllib.parse import unquote, urlsplit

__all__ = ["ENCODED", "authority_flaw", "percent_flaw"]

ENCODED = "in user and password, @ : / ? # and % must be percent-encoded (%40 %3A %2F %3F %23 %25)"
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def percent_flaw(url: str) -> str | None:
    """The error in its percent-encoding; None if there is none."""
    if _NO_ESCAPE.search(url):
        return f"has a % without the two hexadecimal digits of an encoded character; {ENCODED}"
    try:
        unquote(url, errors="strict")
    except UnicodeDecodeError:
        return "has a % that encodes no UTF-8; encode each byte of the UTF-8 of a character"
    return None


def authority_flaw(url: str) -> str | None:
    """The error if an unencoded user name or password ends up in another part of the URL; None if there is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"can't be split into its parts; {ENCODED}"
    if parts.netloc.count("@") > 1 or "@" in parts.path + parts.fragment:
        return f"has an @ where none may stand; {ENCODED}"
    return None
