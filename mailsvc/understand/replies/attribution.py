"""Finds the line that names who wrote what is quoted below: "On 3 May 2021 at 10:15, Anna <anna@example.test> wrote:"."""

import re
from itertools import chain
from typing import NamedTuple

from mailsvc.understand.replies.attribution_forms import OPENERS, VERBS
from mailsvc.understand.replies.lines import Body

__all__ = ["Attribution", "attribution_ending_at", "closes_address", "may_end_attribution"]

_MAX_LINES = 6  # over which mail programs wrap it
_MAX_WRAPPED_VERB = 40
_MAX_LENGTH = 500  # characters, joined


def _alternatives(table: dict[str, tuple[str, ...]]) -> str:
    words = sorted(set(chain.from_iterable(table.values())), key=len, reverse=True)
    return "|".join(map(re.escape, words))


_VERB = re.compile(rf"(?:{_alternatives(VERBS)})", re.IGNORECASE)
_TIME = re.compile(r"\d{1,2}\s?(?:[:.h時时시]\s?\d{2}|[ap]\.?m\b)", re.IGNORECASE)
_DAY = re.compile(
    r"(?:\b|\D)(?:19|20|25)\d\d(?:\b|\D|$)"  # a year, the Buddhist one of Thai included
    r"|\b\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{2,4}\b"
    r"|\d{1,2}\s?[月월日]"
    r"|[٠-٩۰-۹]{4}"
)
_ADDRESS = re.compile(r"[^\s<>@(),;:\"]{1,64}@[^\s<>@(),;:\"&]{1,255}")
_OPENER = re.compile(rf"(?:{_alternatives(OPENERS)})(?=\W|\d|$)", re.IGNORECASE)
# In the middle of a line only with what follows it; "On" alone is a word of every text.
_OPENER_WITHIN = re.compile(
    r"(?:^|(?<=[\s.,;!?)*_-]))(?:On|Am|Le|El|Em|Il|Op|Den|På|W dniu|Dnia|Dne|В)\s+"
    r"(?:[^\W\d]{2,12}[.,]{0,2}\s+){0,3}\d{1,4}[\s./,年-]"
)
_EDGE = " -_*=#|[]"
_TRAILING = re.compile(r"[:：]\s*(?:>.*|&gt;.*)?$")
_ENDS_SENTENCE = (".", "!", "?", ":", ";", "。", "！", "？")
_STARTS_WITH_DATE = re.compile(
    r"(?:[^\W\d]{2,14}[.,]{0,2}\s{1,3}){0,3}(?:den\s|de\s)?\d{1,4}(?:[./:年-]\d|\.?,?\s(?:de\s)?[^\W\d]{3,10})"
    r"|[^\W\d]{3,10}\.?\s\d{1,2},?\s\d{4}|\d{1,2}[:.h]\d\d"
)


class Attribution(NamedTuple):
    """Where it begins. ``column`` is over 0 where new words stand before it in the same line."""

    start: int
    column: int


def may_end_attribution(plain: str) -> bool:
    """Whether an attribution may end with this line; quick, and true for many others."""
    return plain.endswith((":", "：", "-", "*:*")) or ":>" in plain or ": >" in plain


def attribution_ending_at(body: Body, end: int, *, is_before_quote: bool) -> Attribution | None:
    """Return the attribution whose last line this is, None if it is none.

    Args:
        is_before_quote: lines behind ``>`` follow, so that less has to be said.
    """
    joined = ""
    for start in range(end, max(-1, end - _MAX_LINES), -1):
        line = body.plain[start]
        is_quoted = line.startswith(">") and not (start == end and closes_address(body, end))
        if (not line and not _is_bracket(joined)) or is_quoted or len(joined) + len(line) > _MAX_LENGTH:
            break
        joined = f"{line} {joined}".strip()
        if _is_attribution(joined, is_before_quote=is_before_quote):
            return _begin(body, start, end, joined)
    return None


def closes_address(body: Body, index: int) -> bool:
    """Whether the line begins with the ``>`` behind an address that was wrapped: ``> wrote:``."""
    plain = body.plain[index]
    if len(plain) > _MAX_WRAPPED_VERB or not plain.endswith((":", "：")) or not _has_verb(plain):
        return False
    above = body.previous_filled(index)
    opened = "".join(body.plain[max(0, above - 1) : above + 1])
    return opened.count("<") > opened.count(">") and not opened.startswith(">")


def _is_bracket(joined: str) -> bool:
    """Whether what follows is the address of somebody named further above."""
    return joined.startswith("<")


def _is_attribution(joined: str, *, is_before_quote: bool) -> bool:
    has_edges = joined.startswith(("--", "==", "__")) and joined.endswith(("--", "==", "__"))
    said = joined.strip(_EDGE)
    has_colon = bool(_TRAILING.search(said))
    if not has_colon and not has_edges and not is_before_quote:
        return False
    verb = _has_verb(said)
    address, day, time = _ADDRESS.search(said), _DAY.search(said), _TIME.search(said)
    if verb:
        if address or (day and time) or has_edges:
            return True
        return bool(day or time) and (is_before_quote or _OPENER.match(said) is not None)
    return has_colon and bool(address) and bool(day or time) and (is_before_quote or bool(day and time))


def _has_verb(said: str) -> bool:
    for match in _VERB.finditer(said):
        before, after = said[: match.start()][-1:], said[match.end() :][:1]
        if not match[0].isascii() and ord(match[0][0]) > 0x2E80:
            return True
        if not before.isalpha() and not after.isalpha():
            return True
    return False


def _begin(body: Body, start: int, end: int, joined: str) -> Attribution:
    """Take in the lines above that belong to it, and leave out the words before it in its first line."""
    if within := [m for m in _OPENER_WITHIN.finditer(body.plain[start]) if m.start() > 0]:
        column = within[0].start()
        if any(char.isalnum() for char in body.plain[start][:column]):
            return Attribution(start, column)
    if _STARTS_WITH_DATE.match(joined) or _OPENER_WITHIN.match(joined):
        return Attribution(start, 0)
    for above in range(start - 1, max(-1, end - _MAX_LINES), -1):
        line = body.plain[above]
        if line and (line.startswith(">") or line.endswith(_ENDS_SENTENCE)):
            break
        if not line and not _is_bracket(joined):
            break
        joined = f"{line} {joined}".strip()
        if _OPENER_WITHIN.match(line) or (_STARTS_WITH_DATE.match(line) and _TIME.search(line)):
            return Attribution(above, 0)
    return Attribution(start, 0)
