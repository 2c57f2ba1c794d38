"""Finds the line that names who wrote what is quoted below: "On 3 May 2021 at 10:15, Anna <anna@example.test> wrote:"."""

import re
from itertools import islice
from typing import NamedTuple

from mailsvc.understand.replies.forms.attributions import OPENERS, VERBS
from mailsvc.understand.replies.lines import Body

__all__ = ["Attribution", "attribution_ending_at", "closes_address", "inline_attribution", "may_end_attribution"]

_MAX_LINES = 6  # over which mail programs wrap it
_MIN_INLINE = 30  # characters
_MAX_INLINE = 3  # places in a line that are looked at
_MAX_INLINE_LENGTH = 200  # characters
_MAX_LENGTH = 500  # characters, joined
_MAX_NAME = 80  # characters of a name with a verb or an address: "Anna wrote:", "Quoting Anna <anna@example.test>:"
_MAX_WRAPPED_VERB = 40  # characters of a last line such as "> wrote:"


def _one_of(words: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_VERB = re.compile(_one_of(VERBS), re.IGNORECASE)
_ENDS_WITH_VERB = re.compile(rf"\s(?:{_one_of(VERBS)})\s?[:：]$", re.IGNORECASE)
_VERB_WITH_COLON = re.compile(rf"\s(?:{_one_of(VERBS)})(?![^\W\d_])[^:：]{{0,100}}[:：]", re.IGNORECASE)
_OPENER = re.compile(rf"(?:{_one_of(OPENERS)})(?=\W|\d|$)", re.IGNORECASE)
_TIME = re.compile(r"\d{1,2}\s?(?:[:.h時时시点點]\s?\d{2}|[ap]\.?m\b|시|時|点)", re.IGNORECASE)
_DAY = re.compile(
    r"(?:^|\D)(?:19|20|25|14)\d\d(?:\D|$)"  # a year; Thai counts from Buddha, Persian from the Hijra
    r"|\b\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{2,4}\b"
    r"|\d{1,2}\s?[月월日일]"
    r"|[٠-٩۰-۹]{4}"
)
_ADDRESS = re.compile(r"[^\s<>@(),;:\"]{1,64}@[^\s<>@(),;:\"&]{1,255}")
# In the middle of a line only with a date behind it: "On" alone is a word of every text.
_OPENER_WITH_DATE = re.compile(
    r"(?:^|(?<=[\s.,;!?)*_-]))(?:On|Am|Le|El|Em|Il|Op|Den|På|W dniu|Dnia|Dne|В|Vào|Pada|Στις)\s+"
    r"(?:[^\W\d]{2,12}[.,]{0,2}\s+){0,3}\d{1,4}[\s./,年-]"
)
_STARTS_WITH_DATE = re.compile(
    r"(?:[^\W\d]{2,14}[.,]{0,2}\s{1,3}){0,3}\d{1,4}(?:[./:年-]\s?\d|[.,]{0,2}\s(?:de\s)?[^\W\d]{3,12})"
    r"|[^\W\d]{3,10}\.?\s\d{1,2},?\s\d{4}|\d{1,2}[:.h]\d\d"
)
_EDGE = " -_*=#|[]"
_EDGES = ("--", "==", "__")
_TRAILING_COLON = re.compile(r"[:：]\s*(?:>.*|&gt;.*)?$")
_ENDS_SENTENCE = (".", "!", "?", ":", ";", "。", "！", "？")
_FIRST_IDEOGRAPH = "\u2e80"  # scripts from here on put no blanks between words


class Attribution(NamedTuple):
    """Where it begins. ``column`` is over 0 where new words stand before it in the same line."""

    start: int
    column: int


def may_end_attribution(plain: str) -> bool:
    """Whether an attribution may end with this line; quick, and true for many others."""
    return plain.endswith((":", "：", "-", "*:*", ":*", "=")) or ":>" in plain or ": >" in plain


def inline_attribution(plain: str) -> int | None:
    """Where an attribution begins in a line that a program made of several: "Fine. On 3 May 2021 at 10:15, Anna wrote: Hello"."""
    if len(plain) < _MIN_INLINE or ":" not in plain:
        return None
    for opener in islice(_OPENER_WITH_DATE.finditer(plain), _MAX_INLINE):
        verb = _VERB_WITH_COLON.search(plain, opener.end(), opener.end() + _MAX_INLINE_LENGTH)
        if verb and _TIME.search(plain, opener.start(), verb.start()):
            return opener.start()
    return None


def attribution_ending_at(body: Body, end: int, *, is_before_quote: bool) -> Attribution | None:
    """Return the attribution whose last line this is, None if it is none.

    Args:
        is_before_quote: lines behind ``>`` follow, so that less has to be said.
    """
    joined = ""
    for start in range(end, max(-1, end - _MAX_LINES), -1):
        line = body.plain[start]
        is_quoted = line.startswith(">") and not (start == end and closes_address(body, end))
        if (not line and not joined.startswith("<")) or is_quoted or len(joined) + len(line) > _MAX_LENGTH:
            break
        joined = f"{line} {joined}".strip()
        if _is_attribution(joined, is_before_quote=is_before_quote):
            return _beginning(body, start, end, joined)
    return None


def closes_address(body: Body, index: int) -> bool:
    """Whether the line begins with the ``>`` behind an address that was wrapped: ``> wrote:``."""
    plain = body.plain[index]
    if len(plain) > _MAX_WRAPPED_VERB or not plain.endswith((":", "：")) or not _has_verb(plain):
        return False
    above = body.previous_filled(index)
    opened = "".join(body.plain[max(0, above - 1) : above + 1])
    return opened.count("<") > opened.count(">") and not opened.startswith(">")


def _is_attribution(joined: str, *, is_before_quote: bool) -> bool:
    has_edges = joined.startswith(_EDGES) and joined.endswith(_EDGES)
    said = joined.strip(_EDGE)
    has_colon = _TRAILING_COLON.search(said) is not None
    if not (has_colon or has_edges or is_before_quote):
        return False
    address, day, time = (bool(form.search(said)) for form in (_ADDRESS, _DAY, _TIME))
    if is_before_quote and has_colon and len(said) <= _MAX_NAME and (address or _ENDS_WITH_VERB.search(said)):
        return True
    if _has_verb(said):
        has_date = day or time
        return address or (day and time) or has_edges or (has_date and (is_before_quote or bool(_OPENER.match(said))))
    return has_colon and address and (day or time) and (is_before_quote or (day and time))


def _has_verb(said: str) -> bool:
    return any(
        match[0][0] >= _FIRST_IDEOGRAPH
        or not (said[match.start() - 1 : match.start()].isalpha() or said[match.end() :][:1].isalpha())
        for match in _VERB.finditer(said)
    )


def _beginning(body: Body, start: int, end: int, joined: str) -> Attribution:
    """Take in the lines above that belong to it, and leave out the words before it in its first line."""
    within = _OPENER_WITH_DATE.search(body.plain[start], 1)
    if within and any(char.isalnum() for char in body.plain[start][: within.start()]):
        return Attribution(start, within.start())
    if _STARTS_WITH_DATE.match(joined) or _OPENER_WITH_DATE.match(joined):
        return Attribution(start, 0)
    for above in range(start - 1, max(-1, end - _MAX_LINES), -1):
        line = body.plain[above]
        if not (line or joined.startswith("<")) or line.startswith(">") or line.endswith(_ENDS_SENTENCE):
            break
        joined = f"{line} {joined}".strip()
        if _OPENER_WITH_DATE.match(line) or (_STARTS_WITH_DATE.match(line) and _TIME.search(line)):
            return Attribution(above, 0)
    return Attribution(start, 0)
