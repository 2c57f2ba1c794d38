"""Marks what is no word of the sender's at the end of the new lines: signatures, footers of programs and lists, disclaimers."""

import re
from collections.abc import Iterator
from itertools import chain

from mailsvc.understand.replies.dividers import is_rule
from mailsvc.understand.replies.lines import Body, Label
from mailsvc.understand.replies.signature_forms import (
    CLOSINGS,
    CONFIDENTIAL,
    DEVICES,
    LIST_FOOTERS,
    MOBILE_APPS,
    SENT_FROM,
    SENT_WITH,
)

__all__ = ["mark_signatures"]

_MAX_SIGNATURE = 40  # filled lines behind "-- "
_MAX_BLOCK = 12  # filled lines of names, places and numbers
_MAX_FOOTER = 160  # characters of what a program adds in one line
_MAX_LINE = 90  # characters of a line of a signature

_DELIMITER = re.compile(r"--|—|––|-- ?\.?|\*( ?\*){2,}|⁣?--")
_WRAPPING = " \t*_()<>[]{}|~\"'“”-–—•·.:"
_CLOSING = re.compile(
    rf"(?:{'|'.join(sorted(map(re.escape, set(chain.from_iterable(CLOSINGS.values()))), key=len, reverse=True))})"
    r"(?=[\s,.!;/~-]|$)(?P<rest>.{0,60})",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"(?:tel|telefon|telephone|phone|ph|mobile|mobil|mob|cell|fax|direct|office|handy|tél|téléphone|teléfono|telefone|telefoon|tlf|puh|gsm|тел|電話|电话|전화|web|website|e-?mail|skype|twitter|linkedin"
    r"|[tmpfwe])\s?[.:)]\s?\S|\+?\d[\d\s()./-]{7,20}$|(?:https?://|www\.)\S+$|\S+@\S+\.\S+$",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    "|".join([rf"\b{re.escape(name)}\b" if name.isascii() else re.escape(name) for name in DEVICES]), re.IGNORECASE
)
_SENT_FROM = tuple(sorted(chain.from_iterable(SENT_FROM.values()), key=len, reverse=True))
# What may follow a closing phrase in its line: punctuation, and a name.
_NAME = re.compile(r"[\s,.!/~*_-]*(?:[^\W\d_][^\s.,!?]{0,20}\.?[\s,*_-]*){0,4}[.!]?")
_CLAUSE = re.compile(r"[,;!?]|\. ")


def mark_signatures(body: Body, *, sender: str) -> None:
    """Label the signatures in what is still new.

    Args:
        sender: the display name of From, empty if there is none.
    """
    for start, end in list(_passages(body)):
        cut = _signature_start(body, start, end, sender)
        body.mark(cut, end, Label.SIGNATURE)


def _passages(body: Body) -> Iterator[tuple[int, int]]:
    """Yield where the runs of new lines begin and end."""
    start = None
    for index, label in enumerate(body.labels):
        if label == Label.NEW and start is None:
            start = index
        elif label != Label.NEW and start is not None:
            yield start, index
            start = None
    if start is not None:
        yield start, len(body)


def _signature_start(body: Body, start: int, end: int, sender: str) -> int:
    end = _delimited(body, start, end)
    while (cut := _footer_start(body, start, end)) < end:
        end = cut
    return _closing_start(body, start, end, sender)


def _delimited(body: Body, start: int, end: int) -> int:
    """Where "-- " stands alone in a line (RFC 3676 section 4.3), or another sign that people write instead."""
    for index in range(end - 1, start - 1, -1):
        if body.plain[index] and _DELIMITER.fullmatch(body.plain[index][:20]):
            filled = sum(1 for plain in body.plain[index:end] if plain)
            if filled <= _MAX_SIGNATURE:
                return _delimited(body, start, index)
            break
    return end


def _footer_start(body: Body, start: int, end: int) -> int:
    """Where the last line or paragraph begins, if it is a footer; else ``end``."""
    last = body.previous_filled(end)
    if last < start:
        return end
    if _is_mobile_footer(body.plain[last]) or is_rule(body.plain[last]):
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
    if said.startswith(_SENT_FROM):
        return _DEVICE.search(clause) is not None or _is_own_thing(clause)
    if said.endswith(SENT_WITH) or said.endswith(("from mobile", "from my phone")):
        return _DEVICE.search(said) is not None and len(said) < 80
    return False


def _is_own_thing(clause: str) -> bool:
    """Whether it says "my" and a name of one word: a device that no list knows."""
    words = clause.split()
    return len(words) <= 4 and any(char.isdigit() for char in words[-1])


def _closing_start(body: Body, start: int, end: int, sender: str) -> int:
    """Where a closing phrase or the sender's name begins a block of names, places and numbers; else ``end``."""
    filled: list[int] = []
    index = body.previous_filled(end)
    while index >= start and len(filled) < _MAX_BLOCK and len(body.plain[index]) <= _MAX_LINE:
        filled.append(index)
        if _begins_block(body.plain[index], sender):
            if body.previous_filled(index) < start:  # nothing but that: the words are above the quotation
                return index if start else end
            return index if _has_contact(filled[:-1], body) else end
        index = body.previous_filled(index)
    return end


def _begins_block(plain: str, sender: str) -> bool:
    if sender and plain.strip(_WRAPPING).lower().startswith(sender):
        return True
    match = _CLOSING.match(plain.lstrip("*_ /"))
    return match is not None and _NAME.fullmatch(match["rest"]) is not None


def _has_contact(below: list[int], body: Body) -> bool:
    return any(_CONTACT.search(body.plain[index]) for index in below)
