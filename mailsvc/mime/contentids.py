"""Finds the content ids that an HTML text refers to (RFC 2392), in every form that HTML, CSS and URLs allow.

Reads as browsers do, in one pass without backtracking: the standard library's parser takes quadratic time for a broken
text, and raises errors for some.
"""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

from mailsvc.mime.stylesheets import urls_in

__all__ = ["content_ids_in"]

_URLS = frozenset({"src", "href", "background", "poster", "data", "lowsrc", "dynsrc", "longdesc", "cite"})
_LISTS = frozenset({"srcset", "imagesrcset"})
# Their content is no markup (HTML, section 13.2.5): it ends at the end tag of the same name.
_RAW = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("style", "script", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
_LONGEST_URL = 4096  # characters: a dozen may be needed for each character of a content id

_MARKUP = re.compile(r"<(?=[A-Za-z/!?])")
# Only Outlook reads the content of such a comment. Bounded, so that an unterminated one is not scanned repeatedly.
_CONDITION = re.compile(r"<!--\[if[^\]<>]{0,200}\]>", re.IGNORECASE)
_NAME = re.compile(r"[^\s/>]+")
_ATTRIBUTE = re.compile(r"[\s/]*(>|[^\s/>][^\s/>=]*)(?:\s*=\s*)?")
_VALUE = re.compile(r"[^\s>]*")
_DROPPED = str.maketrans("", "", "\t\r\n")  # URL parsers drop these
_COMMA = re.compile(r"[\s,]+")


def content_ids_in(html: str) -> frozenset[str]:
    """Return the ids as in ``Content-ID`` without angle brackets; also undecoded, for ids that were not encoded."""
    return frozenset(
        id_ for url in _urls(html) if url[:4].lower() == "cid:" for id_ in (url[4:], unquote(url[4:])) if id_
    )


def _urls(html: str) -> Iterator[str]:
    at = 0
    while match := _MARKUP.search(html, at):
        start = match.start()
        if html[start + 1] in "!?/":
            at = _after_aside(html, start)
            continue
        tag, attributes, at = _tag(html, start)
        for name, value in attributes:
            yield from _of_attribute(name, value)
        if tag in _RAW:
            end = _RAW[tag].search(html, at)
            text, at = html[at : end.start() if end else None], end.start() if end else len(html)
            if tag == "style":
                yield from urls_in(text)


def _after_aside(html: str, start: int) -> int:
    """The end of a comment, declaration or end tag; of Outlook's conditional comments only the condition."""
    if not html.startswith("<!--", start):
        end = html.find(">", start)
    elif condition := _CONDITION.match(html, start):
        return condition.end()
    elif html.startswith((">", "->"), start + 4):
        end = html.find(">", start)
    else:
        end = html.find("-->", start + 4) + 2
        end = -1 if end == 1 else end
    return len(html) if end < 0 else end + 1


def _tag(html: str, start: int) -> tuple[str, list[tuple[str, str]], int]:
    """Return the name of the tag that starts here, its relevant attributes, and its end; no name if it has no end."""
    name = _NAME.match(html, start + 1)
    assert name is not None
    found: list[tuple[str, str]] = []
    at = name.end()
    while match := _ATTRIBUTE.match(html, at):
        at = match.end()
        if match[1] == ">":
            return name[0].lower(), found, match.end(1)
        if html[match.end(1) : at].strip():
            value, at = _value(html, at)
            found.append((match[1].lower(), value))
    return "", [], len(html)


def _value(html: str, at: int) -> tuple[str, int]:
    quote = html[at : at + 1]
    if quote not in ('"', "'"):
        match = _VALUE.match(html, at)
        assert match is not None
        return match[0], match.end()
    end = html.find(quote, at + 1)
    return (html[at + 1 : end], end + 1) if end >= 0 else ("", len(html))


def _of_attribute(name: str, text: str) -> Iterator[str]:
    local = name.rpartition(":")[2]  # for xlink:href, o:href
    if local in _URLS and len(text) <= _LONGEST_URL:
        yield _plain(text).strip().translate(_DROPPED)
    elif local in _LISTS:
        yield from _COMMA.split(_plain(text))
    elif name == "style":
        yield from urls_in(_plain(text))


def _plain(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a number with more digits than Python accepts
        return ""
