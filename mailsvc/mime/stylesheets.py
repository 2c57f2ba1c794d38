"""Finds the URLs in CSS, in every form that its syntax allows."""

import re

__all__ = ["urls_in"]

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})[ \t\r\n\f]?|([^0-9A-Fa-f\r\n\f]))")
# url(…), @import "…", and the members of image-set(…).
_URL = re.compile(r"""(?:url\(\s*["']?|@import\s+["']|image-set\(\s*["']|,\s*["'])\s*([^\s"'()<>]+)""", re.IGNORECASE)


def urls_in(css: str) -> list[str]:
    """Return the URLs of a style sheet or a style attribute."""
    plain = _ESCAPE.sub(lambda m: chr(min(int(m[1], 16), 0x10FFFF)) if m[1] else m[2], _COMMENT.sub(" ", css))
    return _URL.findall(plain)
