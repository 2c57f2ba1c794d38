"""Recognises the lines that mail programs and ticket systems draw between the new words and the mail below."""

import re

from mailsvc.understand.replies.forms.dividers import BEGIN_FORWARD, FORWARD_SUBJECTS, FORWARDED, MESSAGE, REPLY_ABOVE

__all__ = [
    "has_forward_sentence",
    "has_forward_subject",
    "has_reply_above_line",
    "is_divider",
    "is_forward_divider",
    "is_forward_sentence",
    "is_reply_above_line",
    "is_rule",
    "may_be_divider",
]

_MAX_DIVIDER = 200  # characters
_RULE = re.compile(r"[-_=*~—–─]{3,}|(?:[-_=*—] ?){5,}")
_EDGED = re.compile(r"(?:[-_=*~—] ?){2,60}(?P<said>[^-_=*~—].{0,80}?)\W{0,3}[-_=*~—]{2,}")
_MESSAGE = re.compile("|".join(map(re.escape, MESSAGE)), re.IGNORECASE)
_FORWARDED = re.compile("|".join(map(re.escape, FORWARDED)), re.IGNORECASE)
_BEGIN_FORWARD = frozenset(BEGIN_FORWARD)
_FORWARD_SUBJECT = re.compile(
    rf"\s{{0,9}}(?:\[[^\]]{{1,60}}\]\s{{0,9}})?(?:{'|'.join(map(re.escape, FORWARD_SUBJECTS))})\s{{0,3}}[:：]",
    re.IGNORECASE,
)


def is_rule(plain: str) -> bool:
    """Whether the line is only a horizontal line."""
    return plain[:1] in tuple("-_=*~—–─") and _RULE.fullmatch(plain[:_MAX_DIVIDER]) is not None


def may_be_divider(plain: str) -> bool:
    """Whether the line may be one of the next two; quick, and true for some others."""
    return plain[:1] in tuple("-_=*~#—[(") or is_forward_divider(plain)


def is_divider(plain: str) -> bool:
    """Whether the mail follows that is answered: "-----Original Message-----"."""
    said = _between_dashes(plain)
    return bool(said) and _MESSAGE.search(said) is not None


def is_forward_divider(plain: str) -> bool:
    """Whether what follows was passed on: "---------- Forwarded message ---------", "Begin forwarded message:"."""
    plain = plain.lstrip("> ")
    if said := _between_dashes(plain):
        return _FORWARDED.search(said) is not None
    return is_forward_sentence(plain)


def is_forward_sentence(plain: str) -> bool:
    """Whether the line says in words that what follows was passed on: "Begin forwarded message:"."""
    return len(plain) < _MAX_DIVIDER and plain.rstrip(" :：").lower() in _BEGIN_FORWARD


def has_forward_sentence(text: str) -> bool:
    """Whether one of the lines of a text in lower case may say that what follows was passed on."""
    return any(words in text for words in BEGIN_FORWARD)


def has_reply_above_line(text: str) -> bool:
    """Whether one of the lines of a text in lower case may ask to write above it."""
    return any(words in text for words in REPLY_ABOVE)


def is_reply_above_line(plain: str) -> bool:
    """Whether a ticket system asks with this line to write above it."""
    if len(plain) >= _MAX_DIVIDER:
        return False
    said = plain.lower()
    return any(words in said for words in REPLY_ABOVE)


def has_forward_subject(subject: str | None) -> bool:
    """Whether the subject begins as mail programs begin it when a mail is passed on: "Fwd:", "WG:", "TR:"."""
    return _FORWARD_SUBJECT.match(subject or "") is not None


def _between_dashes(plain: str) -> str:
    match = _EDGED.match(plain[:_MAX_DIVIDER]) if plain[:1] in tuple("-_=*~—") else None
    return match["said"] if match else ""
