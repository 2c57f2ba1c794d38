"""Marks what is no word of the sender's at the end of the new lines: signatures, footers of programs and lists, disclaimers."""

import re
from collections.abc import Iterator
from itertools import groupby

from mailsvc.understand.replies.dividers import is_rule
from mailsvc.understand.replies.forms.signatures import (
    BRANDS,
    CLOSINGS,
    CONFIDENTIAL,
    DEVICES,
    LIST_FOOTERS,
    MOBILE_APPS,
    SENT_FROM,
    SENT_WITH,
    THANKS,
)
from mailsvc.understand.replies.lines import Body, Label

__all__ = ["mark_signatures"]

_MAX_PASSAGES = 200  # between quotations that are looked at, and the last one
_MAX_SIGNATURE = 40  # filled lines behind "-- "
_MAX_BLOCK = 12  # filled lines of names, places and numbers
_MAX_FOOTER = 160  # characters of what a program adds in one line
_MAX_LINE = 90  # characters of a line of a signature

_DELIMITER = re.compile(r"--|––|-- ?\.?|\*( ?\*){2,}")
_WRAPPING = " \t*_()<>[]{}|~\"'“”-–—•·.:"


def _beginning_with(phrases: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))
    return re.compile(rf"(?:{words})(?=[\s,.!;/~-]|$)(?P<rest>.{{0,60}})", re.IGNORECASE)


_CLOSING = _beginning_with((*CLOSINGS, *THANKS))
_REGARDS = _beginning_with(CLOSINGS)
_CONTACT = re.compile(
    r"(?:tel|telefon|telephone|phone|ph|mobile|mobil|mob|cell|fax|direct|office|handy|tél|téléphone|teléfono|telefone|telefoon|tlf|puh|gsm|тел|電話|电话|전화|web|website|e-?mail|skype|twitter|linkedin"
    r"|[tmpfwe])\s?[.:)]\s?\S|\+?\d[\d\s()./-]{7,20}$|(?:https?://|www\.)\S+$|\S+@\S+\.\S+$",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    # Several phones are no signature.
    rf"(?:\b|(?<=[^\x00-\x7f]))(?:{'|'.join(map(re.escape, BRANDS))})(?!\w{{0,2}}s\b)"
    rf"|\b(?:{'|'.join(map(re.escape, DEVICES))})\b",
    re.IGNORECASE,
)
_MAX_DEVICE = 12  # words in which program or device are named
# What may follow a closing phrase in its line: punctuation, and a name.
_NAME = re.compile(r"[\s,.!/~*_-]*(?:[^\W\d_][^\s.,!]{0,20}(?:[\s.,]+[^\W\d_][^\s.,!]{0,20}){0,3})?[\s.,!]*")
_IMAGE = re.compile(r"\[(?:cid:|image: ?)[^\]]{0,200}\]", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;!?]|\. ")


def mark_signatures(body: Body, *, sender: str) -> None:
    """Label the signatures in what is still new.

    Args:
        sender: the display name of From, empty if there is none.
    """
    has_words = False
    passages = list(_passages(body))
    for start, end in passages[:_MAX_PASSAGES] + passages[_MAX_PASSAGES:][-1:]:
        cut = _signature_start(body, start, end, sender)
        if has_words and _is_sign_off(body, start, cut):
            cut = start
        body.mark(cut, end, Label.SIGNATURE)
        has_words = has_words or body.next_filled(start) < cut


def _passages(body: Body) -> Iterator[tuple[int, int]]:
    """Yield where the runs of new lines begin and end."""
    start = 0
    for label, run in groupby(body.labels):
        end = start + len(list(run))
        if label == Label.NEW:
            yield start, end
        start = end


def _signature_start(body: Body, start: int, end: int, sender: str) -> int:
    end = _delimited(body, start, end)
    while (cut := _footer_start(body, start, end)) < end:
        end = cut
    return _closing_start(body, start, end, sender)


def _delimited(body: Body, start: int, end: int) -> int:
    """Where "-- " stands alone in a line (RFC 3676 section 4.3), or another sign that people write instead."""
    cut, filled, most = end, 0, _MAX_SIGNATURE
    for index in range(end - 1, start - 1, -1):
        plain = body.plain[index]
        filled += bool(plain)
        if filled > most:
            break
        if plain and (_DELIMITER.fullmatch(plain[:20]) or _is_rule_above_contact(body, index, cut)):
            cut, filled, most = index, 0, _MAX_BLOCK  # a second one stands above a name, the first above a disclaimer
    return cut


def _is_rule_above_contact(body: Body, index: int, end: int) -> bool:
    """Whether a line stands here instead of "-- ": what is below says how to reach somebody."""
    if body.plain[index] != "—" and not is_rule(body.plain[index]):
        return False
    below = [plain for plain in body.plain[index + 1 : end] if plain]
    return len(below) <= _MAX_BLOCK and max(map(len, below), default=0) <= _MAX_LINE and _has_contact(below)


def _footer_start(body: Body, start: int, end: int) -> int:
    """Where the last line or paragraph begins, if it is a footer; else ``end``."""
    last = body.previous_filled(end)
    if last < start:
        return end
    if _is_mobile_footer(body.plain[last]) or is_rule(body.plain[last]) or _IMAGE.fullmatch(body.plain[last]):
        return last
    first = last
    while first > start and body.plain[first - 1]:
        first -= 1
    for index in range(first, last + 1):
        if is_rule(body.plain[index]) or body.plain[index] == "__":
            first = index
            break
    return first if _is_footer(body.plain[first : last + 1]) else end


def _is_footer(lines: list[str]) -> bool:
    """Whether a paragraph is a disclaimer or the footer of a list."""
    text = " ".join(lines[:30])[:600].lower()
    if any(words in text for words in LIST_FOOTERS) and (len(lines) <= 8):
        return is_rule(lines[0]) or lines[0] == "__" or "http" in text
    found = [text.find(words) for words in CONFIDENTIAL if words in text]
    return bool(found) and min(found) < 200 and len(text) >= 80


def _is_mobile_footer(plain: str) -> bool:
    """Whether a mail program says here which program or device sent the mail."""
    if not plain or len(plain) > _MAX_FOOTER:
        return False
    said = plain.strip(_WRAPPING).lower()
    if said.startswith(MOBILE_APPS):
        return True
    clause = _CLAUSE.split(said)[0]
    if said.startswith(SENT_FROM):
        is_named = _DEVICE.search(clause) is not None and len(clause.split()) <= _MAX_DEVICE
        return is_named or _is_own_thing(clause)
    if said.endswith(SENT_WITH):
        return _DEVICE.search(said) is not None and len(said) < 80
    return False


def _is_own_thing(clause: str) -> bool:
    """Whether it says "my" and a name of one word: a device that no list knows."""
    words = clause.split()
    return len(words) <= 4 and any(char.isdigit() for char in words[-1])


def _closing_start(body: Body, start: int, end: int, sender: str) -> int:
    """Where a closing phrase or the sender's name begins a block of names, places and numbers; else ``end``."""
    block = end
    for index in _last_lines(body, start, end):
        plain = body.plain[index]
        if _closes(_CLOSING, plain):
            block = index
            break
        if sender and plain.strip(_WRAPPING).lower().startswith(sender):
            block = index
    if block == end:
        return end
    if body.previous_filled(block) < start:
        return end
    return block if _has_contact(body.plain[block + 1 : end]) else end


def _last_lines(body: Body, start: int, end: int) -> Iterator[int]:
    """Yield the last filled lines from below, as long as they are as short as those of a signature."""
    index = body.previous_filled(end)
    for _ in range(_MAX_BLOCK):
        if index < start or len(body.plain[index]) > _MAX_LINE:
            return
        yield index
        index = body.previous_filled(index)


def _is_sign_off(body: Body, start: int, end: int) -> bool:
    """Whether there is nothing but a closing phrase with a name; the words are above the quotation then."""
    lines = list(_last_lines(body, start, end))
    return len(lines) in (1, 2) and body.next_filled(start) == lines[-1] and _closes(_REGARDS, body.plain[lines[-1]])


def _closes(phrases: re.Pattern[str], plain: str) -> bool:
    match = phrases.match(plain.lstrip("*_ /"))
    return match is not None and _NAME.fullmatch(match["rest"]) is not None


def _has_contact(lines: list[str]) -> bool:
    return any(_CONTACT.search(line) for line in lines)
