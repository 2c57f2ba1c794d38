"""Sorts refusals into the public bounce reasons, by reply codes, enhanced codes (RFC 3463) and words.

All lines of a reply count. Words about the sender, the client, the account, a rate or a policy outweigh an enhanced
code or a stock phrase about the recipient: an address that is suppressed by mistake gets no more mail, but one that is
not suppressed by mistake only bounces again. The patterns are tables: ``mime.refusal_codes`` and
``mime.refusal_words``.
"""

import re

import msgspec

from mailsvc.domain.attempt import Reply, Stage
from mailsvc.mime.refusal_codes import BY_ENHANCED, BY_SUBJECT, MISUSED
from mailsvc.mime.refusal_words import ABOUT_COUNT, ELSEWHERE, HINTS, OF_RECIPIENT, Forms

__all__ = ["Meaning", "is_about_count", "is_for_later", "is_our_rate", "meaning_of", "own_words"]

_RECIPIENT_FAULT = frozenset({"mailbox_unknown", "mailbox_disabled", "domain_unknown", "mailbox_full"})
_HARD = frozenset({"mailbox_unknown", "mailbox_disabled", "domain_unknown"})
_NO_MAIL = frozenset({521, 556})  # the host or the domain accepts no mail at all (RFC 7504)
_LATER = frozenset({"rate_limited", "greylisted"})

# A reply at these stages is about the sender, or about all recipients together.
_SHARED = frozenset({Stage.DATA, Stage.BODY, Stage.EOM})

# An address can contain any word, which must not count as the relay's. The same holds for the path of a URL. Where
# words are written without spaces, wide punctuation ends them.
_ADDRESS = re.compile(
    r"""(?:"[^"\n]{0,128}"|[^\s<>@":\u3001-\u303f\uff08\uff09\uff0c\uff1a]{1,254})@(?:\[[^\]\s]{0,64}\]|[\w.-]{1,255})"""
)
_URL = re.compile(r"https?://([\w.-]{1,255})[^\s>)]{0,1024}", re.IGNORECASE)
_CODES = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])|(?<=\n)[45]\d\d[ -]")
_SPACE = re.compile(r"\s+")
_OWN_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_MOST_TEXT = 4096  # characters: a longer text states its reason before this point, or never

_RECEIVING = re.compile(r"(receive|received|receiving)\b|recipient (thread|has exceeded)", re.IGNORECASE)

# RFC 5321's stock phrase for 450 and 550. It is used alone as often as before the real reason.
_STOCK = re.compile(r"requested (mail )?action (not taken|aborted)[:,]?", re.IGNORECASE)


class Meaning(msgspec.Struct, frozen=True, gc=False):
    """The meaning of a refusal.

    Attributes:
        reason: a word of the public vocabulary of bounces.
        is_hard: sending to this address again, unchanged, will fail because of the recipient.
        is_for_later: a rate, a quota or a greylist: a later try may work, whatever the code's class.
    """

    reason: str

    @property
    def is_hard(self) -> bool:
        return self.reason in _HARD

    @property
    def type(self) -> str:
        """``hard`` or ``soft``."""
        return "hard" if self.is_hard else "soft"

    @property
    def is_for_later(self) -> bool:
        return self.reason in _LATER


def meaning_of(stage: Stage, reply: Reply | None, text: str, *, recipients: int = 1) -> Meaning:
    """Return the meaning of a refusal.

    Args:
        reply: the refusal; None if mailsvc itself refused: then the text begins with an enhanced code.
        text: all lines of the reply's text.
        recipients: how many the transaction had. A reply at its end may be about any of several recipients, so that
            none of them counts as faulty.
    """
    enhanced = (reply.enhanced_code if reply else own_words(text)[0]) or ""
    said = _plain(text)
    reason = _rate_by_enhanced(enhanced, said) or _first(ELSEWHERE, said)
    if reason is None and ABOUT_COUNT.search(said):
        reason = "rate_limited"  # one recipient can't be too many for a transaction, so it is a quota per period
    reason = reason or _of_recipient(stage, reply, enhanced, said)
    if reason in _RECIPIENT_FAULT and stage is Stage.MAIL:
        reason = "sender_rejected"  # no recipient was named yet
    elif reason in _HARD and recipients > 1 and stage in _SHARED:
        reason = "other"
    return Meaning(reason)


def is_for_later(stage: Stage, reply: Reply) -> bool:
    """Whether a refusal means a rate, a quota or a greylist, so that a later try may work whatever the code's class."""
    return meaning_of(stage, reply, reply.text).is_for_later


def is_our_rate(stage: Stage, reply: Reply) -> bool:
    """Whether a refusal means that the account sends too much, and not that a recipient gets too much."""
    is_rate = meaning_of(stage, reply, reply.text).reason == "rate_limited"
    return is_rate and not _RECEIVING.search(_plain(reply.text))


def is_about_count(reply: Reply) -> bool:
    """Whether the relay says that a transaction (not an hour or a day) has too many recipients."""
    said = _plain(reply.text)
    return bool(ABOUT_COUNT.search(said)) and _first(ELSEWHERE, said) is None


def own_words(text: str) -> tuple[str | None, str]:
    """Split a text of mailsvc itself, used without a reply, into its enhanced code (if any) and the rest."""
    code, _, rest = text.partition(" ")
    return (code, rest) if _OWN_CODE.fullmatch(code) else (None, text)


def _plain(text: str) -> str:
    """Return the relay's words in one line, in lower case, without addresses, codes and the paths of URLs."""
    text = _URL.sub(r" \1 ", text[:_MOST_TEXT])
    return _SPACE.sub(" ", _CODES.sub(" ", _ADDRESS.sub(" ", text))).lower()


def _of_recipient(stage: Stage, reply: Reply | None, enhanced: str, said: str) -> str:
    if reply and reply.code in _NO_MAIL and enhanced == "5.3.2":
        return "domain_unknown"
    reason = _by_enhanced(enhanced, said) or _first(OF_RECIPIENT, said) or _by_code(stage, reply, enhanced)
    if reason in _HARD:
        return _first(HINTS, _STOCK.sub(" ", said)) or reason
    return reason


def _first(forms: Forms, said: str) -> str | None:
    return next((reason for reason, pattern in forms if pattern.search(said)), None)


def _rate_by_enhanced(enhanced: str, said: str) -> str | None:
    """Return a rate by its enhanced code, which decides before words do: those often describe the limited account."""
    reason = _by_enhanced(enhanced, said)
    return reason if reason in _LATER else None


def _by_enhanced(enhanced: str, said: str) -> str | None:
    meaning = enhanced.partition(".")[2]
    for code, words, reason in MISUSED:
        if code == meaning and words.search(said):
            return reason
    return BY_ENHANCED.get(meaning)


def _by_code(stage: Stage, reply: Reply | None, enhanced: str) -> str:
    code = reply.code if reply else 0
    if code == 552:
        return "mailbox_full" if stage is Stage.RCPT else "message_too_large"
    if code // 10 == 50:
        return "protocol_error"
    subject = enhanced.split(".")[1] if enhanced.count(".") == 2 else ""
    return "policy_rejected" if code == 571 else BY_SUBJECT.get(subject, "other")
