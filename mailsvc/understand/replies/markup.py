"""Makes the HTML of an arrived mail safe to show: no scripts, nothing that loads or sends anything."""

import re
from collections import Counter

import nh3

__all__ = ["safe_html"]

_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"style", "dir", "lang", "title", "align", "valign", "width", "height", "bgcolor", "color"},
    "a": {"href"},
    "blockquote": {"type"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"color", "face", "size"},
    "img": {"src", "alt", "border"},
    "ol": {"start", "type"},
    "table": {"border", "cellpadding", "cellspacing"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "scope", "nowrap"},
}
_BORDERS = {f"border{side}" for side in ("", "-top", "-right", "-bottom", "-left", "-collapse", "-color", "-radius")}
_SIDES = {f"{name}{side}" for name in ("margin", "padding") for side in ("", "-top", "-right", "-bottom", "-left")}
_FONT = {"font", "font-family", "font-size", "font-style", "font-weight", "line-height", "white-space", "color"}
_TEXT = {"text-align", "text-decoration", "text-indent", "text-transform", "direction", "vertical-align"}
_BOX = {"background-color", "width", "height", "max-width", "display"}
_LOADS = re.compile(r"[\\(@]")  # url(), image-set(), escapes that hide them; rgb() goes with them
_COLOUR = re.compile(r"(?:rgb|hsl)a?\([\d\s.,%/]{1,40}\)", re.IGNORECASE)
_INLINE_IMAGE = re.compile(r"cid:|data:image/(?:png|gif|jpe?g|webp);base64,", re.IGNORECASE)
_LINK = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
_IGNORED_IN_URLS = re.compile(r"[\x00-\x20]+")  # at the beginning, or tabs and line breaks anywhere (WHATWG URL, 4.4)


# The parser looks at all open elements for each tag, and at all attributes of the tag for each attribute. What this costs is
# estimated before, because it may take minutes for the megabyte that a mail can have.
_MAX_TAGS = 100_000
_MAX_COST = 30_000_000  # about half a second
_REFERENCE_COST = 500  # of a character reference, in looks at an element
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,40})([^>]*)")
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'")
_SEPARATOR = re.compile(r"[\s/\"]")
_MANY_ATTRIBUTES = 2000  # characters; shorter tags cost nothing to speak of
# They have no end, or the next one of their kind ends them.
_UNNESTED = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "dd",
        "dt",
        "embed",
        "hr",
        "img",
        "input",
        "li",
        "link",
        "meta",
        "option",
        "p",
        "source",
        "td",
        "th",
        "tr",
        "wbr",
    ]
)


def safe_html(html: str) -> str | None:
    """Return the HTML without scripts, forms, style sheets and whatever loads something.

    Images keep their source where it is a part of the mail (``cid:``, RFC 2392) or the image itself (``data:``).
    None: it is nested so deeply, or has so many tags, that it would take seconds to read; no mail program writes such.
    """
    return None if _is_costly(html) else _CLEANER.clean(html)


def _is_costly(html: str) -> bool:
    cost = _REFERENCE_COST * html.count("&")
    if html.count("<") > _MAX_TAGS:
        return True
    opened: Counter[str] = Counter()
    depth = 0
    for match in _TAG.finditer(html):
        is_end, name, rest = match.groups()
        if len(rest) > _MANY_ATTRIBUTES:
            cost += len(_SEPARATOR.findall(_VALUE.sub('"', rest))) ** 2
        name = name.lower()
        if name not in _UNNESTED:
            step = -int(opened[name] > 0) if is_end else 1
            opened[name] += step
            depth += step
        cost += depth
        if cost > _MAX_COST:
            break
    return cost > _MAX_COST


def _kept(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "style":
        return None if _LOADS.search(_COLOUR.sub("", value)) else value
    if attribute == "src":
        return value if _INLINE_IMAGE.match(value) else None
    if attribute == "href" and tag == "a":
        return value if _LINK.match(_IGNORED_IN_URLS.sub("", value)) else None
    return value


_CLEANER = nh3.Cleaner(
    tags=(nh3.ALLOWED_TAGS | {"font", "big", "u"}) - {"area", "map"},
    clean_content_tags={
        "script",
        "style",
        "title",
        "template",
        "noscript",
        "iframe",
        "object",
        "svg",
        "math",
        "select",
    },
    attributes=_ATTRIBUTES,
    attribute_filter=_kept,
    link_rel=None,
    url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    url_relative="deny",
    filter_style_properties=_BORDERS | _SIDES | _FONT | _TEXT | _BOX,
)
