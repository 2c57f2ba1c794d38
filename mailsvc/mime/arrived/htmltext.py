"""Renders HTML as plain text, in one pass without backtracking, however broken it is."""

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

from mailsvc.mime.arrived.htmlroles import OpenRoles, Role

__all__ = ["HtmlLine", "declared_charset", "html_to_lines", "html_to_text"]

_MARKUP = re.compile(r"<(?:(/?)([A-Za-z][^\s/>]*)|(?=[!?/]))")
_TAG_STOP = re.compile(r">|=\s*([\"'])")
_ANY_TAG = re.compile(r"<[^<>]*>")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_META_CHARSET = re.compile(
    rb"""<meta\b[^<>]{0,200}?charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9_.:+-]{1,40})""", re.IGNORECASE
)
# Their content is no text for readers; it ends at the end tag of the same name.
_SKIPPED = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("style", "script", "title", "template", "noembed")
}
# How many empty lines stand around an element.
_BLOCKS = {
    **dict.fromkeys(["p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "ul", "ol", "dl", "table"], 1),
    **dict.fromkeys(
        [
            "div",
            "tr",
            "li",
            "dt",
            "dd",
            "section",
            "article",
            "header",
            "footer",
            "address",
            "center",
            "form",
            "fieldset",
            "figure",
            "hr",
            "body",
        ],
        0,
    ),
}
_TAGS_A_LINE = 5  # no more in the mean, or the rest counts as one line
_MAX_QUOTES = 10  # levels that are shown; each costs two characters a line
_RULE = "_" * 32  # as Outlook writes it in its own plain texts


def declared_charset(html: bytes) -> str:
    """The charset that the HTML itself declares, empty if it does not."""
    match = _META_CHARSET.search(html[:2048])
    return match[1].decode("ascii") if match else ""


class HtmlLine(NamedTuple):
    """A line of the text, with what the elements around it say about it."""

    text: str
    role: Role


def html_to_text(html: str) -> str:
    """Return the text as a browser shows it, roughly: blocks on lines of their own, quotations behind ``>``."""
    page = _Page()
    for text, name, is_end, _ in _tokens(html):
        page.write(_unescaped(text))
        page.tag(name, is_end=is_end)
    return page.text()


def html_to_lines(html: str, *, most: int) -> list[HtmlLine]:
    """Return the lines of ``html_to_text`` with their roles, without ``>``; after so many lines, the rest as one."""
    page = _Page(shows_quotes=False)
    roles = OpenRoles()
    for number, (text, name, is_end, (start, end)) in enumerate(_tokens(html)):
        page.write(_unescaped(text))
        if page.height >= most or number >= most * _TAGS_A_LINE:
            page.write(_unescaped(_ANY_TAG.sub(" ", html[end:])))
            break
        if changed := roles.tag(name, html[start:end], is_end=is_end):
            page.end_line()
        page.tag(name, is_end=is_end)
        if changed:
            page.role = roles.current
    return page.lines()


def _tokens(html: str) -> Iterator[tuple[str, str, bool, tuple[int, int]]]:
    """Yield each tag: the text before it, its name in lower case, whether it is an end tag, where its attributes are.

    At the end there is no name.
    """
    at = 0
    while match := _MARKUP.search(html, at):
        name = (match[2] or "").lower()
        text = html[at : match.start()]
        at = _tag_end(html, match.end()) if name else _aside_end(html, match.start())
        yield text, name, match[1] == "/", (match.end(), at)
        if name in _SKIPPED and not match[1]:
            end = _SKIPPED[name].search(html, at)
            at = end.start() if end else len(html)
    yield html[at:], "", False, (len(html), len(html))


def _tag_end(html: str, at: int) -> int:
    """Where the tag ends. One that does not end takes the rest, as in browsers, so nothing is read twice."""
    while stop := _TAG_STOP.search(html, at):
        if stop[1] is None:
            return stop.end()
        at = html.find(stop[1], stop.end()) + 1
        if not at:
            break
    return len(html)


def _aside_end(html: str, start: int) -> int:
    """Where a comment or a declaration ends."""
    mark = ">"
    if html.startswith("<!--", start) and not html.startswith((">", "->"), start + 4):
        start, mark = start + 4, "-->"
    end = html.find(mark, start)
    return end + len(mark) if end >= 0 else len(html)


def _unescaped(text: str) -> str:
    try:
        return unescape(text) if "&" in text else text
    except ValueError:  # a number with more digits than Python accepts
        return text


class _Page:
    """The lines written so far."""

    def __init__(self, *, shows_quotes: bool = True) -> None:
        self._shows_quotes = shows_quotes
        self.role = Role.NONE  # of what is written next
        self._roles: list[Role] = []  # of the lines
        self._lines: list[str] = []
        self._line: list[str] = []
        self._gap = 0  # empty lines before the next text
        self._marker = ""  # of a list item, before its text
        self._quotes = 0
        self._last_quotes = 0  # of the last line
        self._pre = 0

    def text(self) -> str:
        self.end_line()
        return "\n".join(self._lines).strip("\n")

    @property
    def height(self) -> int:
        return len(self._lines)

    def lines(self) -> list[HtmlLine]:
        self.end_line()
        return [HtmlLine(*line) for line in zip(self._lines, self._roles, strict=True)]

    def write(self, text: str) -> None:
        if self._pre:
            self._write_lines(text)
            return
        text = _SPACE.sub(" ", text)
        if not self._line or self._line[-1].endswith(" "):
            text = text.removeprefix(" ")
        if text:
            self._append(text.replace("\xa0", " "))

    def tag(self, name: str, *, is_end: bool) -> None:
        if name == "br":
            self._break_line()
        elif name in ("td", "th"):
            self.write(" ")
        elif name in _BLOCKS:
            self.end_line()
            # A paragraph that begins a list item stands beside its marker.
            self._gap = self._gap if self._marker else max(self._gap, _BLOCKS[name])
            self._nest(name, -1 if is_end else 1)
        if name == "hr":
            self._append(_RULE)
            self.end_line()

    def _nest(self, name: str, step: int) -> None:
        if name == "blockquote" and self._shows_quotes:
            self._quotes = max(0, self._quotes + step)
        elif name == "pre":
            self._pre = max(0, self._pre + step)
        elif name == "li":
            self._marker = "- " if step > 0 else ""

    def _write_lines(self, text: str) -> None:
        first, *others = text.split("\n")
        if first:
            self._append(first)
        for line in others:
            self._break_line()
            if line:
                self._append(line)

    def _append(self, text: str) -> None:
        if not self._line:
            if self._gap and self._lines and self._lines[-1].strip("> "):
                self._add(_prefix(min(self._quotes, self._last_quotes)).rstrip())
            self._gap = 0
            text, self._marker = self._marker + text, ""
        self._line.append(text)

    def _break_line(self) -> None:
        if self._line:
            self.end_line()
        elif self._lines:
            self._add(_prefix(self._quotes).rstrip())

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self._roles.append(self.role)

    def end_line(self) -> None:
        if self._line:
            self._add((_prefix(self._quotes) + "".join(self._line)).rstrip())
            self._line = []
            self._last_quotes = self._quotes


def _prefix(quotes: int) -> str:
    return "> " * min(quotes, _MAX_QUOTES)
