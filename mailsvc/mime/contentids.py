"""Which content ids an HTML text refers to (RFC 2392), in every spelling that HTML and CSS allow."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import unquote

__all__ = ["content_ids_in"]

_IN_CSS = re.compile(r"""cid:([^\s"'()\\]+)""", re.IGNORECASE)
_CSS_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{1,6})[ \t\r\n\f]?|\\([^0-9A-Fa-f\r\n\f])")
_BETWEEN = re.compile(r"[\s,]+")


def content_ids_in(html: str) -> frozenset[str]:
    """The ids, as they stand in ``Content-ID`` without angle brackets."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return frozenset(reader.found)


class _Reader(HTMLParser):
    """Collects what attributes, style sheets and conditional comments (Outlook's) refer to."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[str] = set()
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        for name, value in attrs:
            if value:
                self.found.update(_of_style(value) if name == "style" else _of_attribute(value))

    def handle_endtag(self, tag: str) -> None:
        self._is_style = self._is_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._is_style:
            self.found.update(_of_style(data))

    def handle_comment(self, data: str) -> None:
        if "cid:" in data.lower():
            self.found |= content_ids_in(data.partition("]>")[2])


def _of_attribute(value: str) -> Iterator[str]:
    """One URL, or several as in ``srcset``."""
    for word in _BETWEEN.split(value):
        if word[:4].lower() == "cid:":
            yield unquote(word[4:])


def _of_style(css: str) -> Iterator[str]:
    plain = _CSS_ESCAPE.sub(lambda m: chr(min(int(m[1], 16), 0x10FFFF)) if m[1] else m[2], css)
    for match in _IN_CSS.finditer(plain):
        yield unquote(match[1])
