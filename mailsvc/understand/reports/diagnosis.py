"""Judges what a report says about a recipient, with the judge of SMTP replies."""

import re
from functools import cached_property, lru_cache

import msgspec

from mailsvc.domain.attempt import Reply, Stage
from mailsvc.domain.bounce import Bounce
from mailsvc.mime.refusal_meaning import Meaning, meaning_of
from mailsvc.understand.reports.transport import reason_of_transport

__all__ = ["Context", "Origin", "diagnose", "enhanced_code_in", "has_code"]

_MAX_WORDS = 1000  # characters of a diagnostic that are read and kept
_MAX_CONTEXT = 2000  # characters

_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(
    r"(?<![\d.:/=-])(4[2-7]\d|5[0-79]\d)(?![\d./]|:\d|\s*(?:bytes|seconds|minutes|hours|days|times|KB|MB))"
)
_TOGETHER = re.compile(r"\b[45]\d\d[ -]{1,3}['(#]{0,2}([45]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W\d_]{3}")
_IRONPORT = re.compile(r"^[45]\.\d\.\d - [\w ()]{3,60} (?=\d{3}-?')")  # a sentence of its own before the server's reply
_STOCK = re.compile(r"service unavailable|remote protocol error", re.IGNORECASE)  # Sendmail's own, after the reason
_OF_RECIPIENT = frozenset({"mailbox_unknown", "mailbox_disabled", "domain_unknown", "mailbox_full"})
_OF_MAILBOX = frozenset({"mailbox_unknown"})
_VAGUE_REASONS = frozenset({"other", "protocol_error"})
_VAGUE = re.compile(r"[245]\.0\.\d{1,3}")
_OF_ADDRESS = re.compile(r"[45]\.(?:1\.\d{1,3}|2\.1|4\.[14])")

_STAGES = (
    (
        Stage.RCPT,
        re.compile(
            r"(?:to|after|our|<<<|>>>|SMTP:)[:\s]{0,3}(?:the )?RCPT\b|does not like recipient|^[45]\d\d (?:\S{5,9} )?<[^<>\s]{1,320}>\.\.\. |mailbox unavailable|rejected (?:by [^\n]{1,80} )?(?:the )?recipient|RCPT (?:command|TO generated)",
            re.IGNORECASE,
        ),
    ),
    (
        Stage.MAIL,
        re.compile(
            r"(?:to|after|our|<<<|>>>)[:\s]{0,3}(?:the )?MAIL FROM|in reply to MAIL\b|sender was rejected",
            re.IGNORECASE,
        ),
    ),
    (
        Stage.EOM,
        re.compile(
            r"(?:to|after|our) (?:the |final )?(?:end of )?(?:mail )?DATA\b|after I sent the message|TEXT command|SMTP command\s+DATA"
            r"|>>> DATA\s+<<< [45](?![\s\S]{0,600}(?:need|valid) (?:rcpt|recipient))",
            re.IGNORECASE,
        ),
    ),
)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says besides the words about one recipient."""

    source: str  # dsn | heuristic
    remote_mta: str | None = None
    reporting_mta: str | None = None


class Context:
    """The other words of a report, which decide where those about a recipient say nothing. Read once for all of them.

    Args:
        recipients: how many are reported. The words may be about any of several, so that they decide nothing then.
    """

    def __init__(self, text: str = "", *, recipients: int = 1) -> None:
        self._text = _SPACE.sub(" ", text[:_MAX_CONTEXT])
        self._decides = recipients == 1

    @cached_property
    def stage(self) -> Stage | None:
        """The command that was refused. Where several recipients are reported, it is known if only one is mentioned."""
        found = [stage for stage, pattern in _STAGES if pattern.search(self._text)]
        return found[0] if found and (self._decides or len(found) == 1) else None

    @cached_property
    def meaning(self) -> Meaning:
        if not self._decides:
            return Meaning("other")
        return _at_stage(_meaning(self._text, None, None), self.stage, None, None)


def diagnose(words: str, status: str | None, origin: Origin, context: Context) -> Bounce:
    """Return why a recipient failed.

    Args:
        words: what the receiving server or the reporting program says of it; may be empty.
        status: the enhanced code that the report gives (RFC 3464 section 2.3.4), if any.
    """
    words = _IRONPORT.sub("", _SPACE.sub(" ", words[:_MAX_WORDS]).strip())
    code = _reply_code(words)
    enhanced = _enhanced(words, status)
    meaning = _judged(words, code, enhanced, context)
    if meaning.reason == "domain_unknown" and code is None and (status or "").startswith("4."):
        meaning = Meaning("network_error")  # the report itself calls the failure of the name service temporary
    return Bounce(
        type=meaning.type,
        reason=meaning.reason,
        source=origin.source,
        enhanced_code=enhanced,
        code=code,
        diagnostic=words or None,
        remote_mta=origin.remote_mta,
        reporting_mta=origin.reporting_mta,
    )


def _judged(words: str, code: int | None, enhanced: str | None, context: Context) -> Meaning:
    meaning = _meaning(words, code, enhanced)
    if meaning.reason in _OF_RECIPIENT:
        meaning = _at_stage(meaning, _stage(words) or context.stage, code, enhanced)
    return context.meaning if _says_nothing(words, code, meaning) and context.meaning.reason != "other" else meaning


def _says_nothing(words: str, code: int | None, meaning: Meaning) -> bool:
    if meaning.reason == "other" and (code is None or _STOCK.search(words)):
        return True
    return meaning.reason in _VAGUE_REASONS and not _WORD.search(words)


def enhanced_code_in(text: str | None) -> str | None:
    """Return the first enhanced code of a text (RFC 3463), if it has one."""
    found = _ENHANCED.search(text or "")
    return found[1] if found else None


def has_code(words: str) -> bool:
    """Whether a reply code or an enhanced code stands in the words."""
    return bool(_REPLY.search(words) or _ENHANCED.search(words))


def _enhanced(words: str, status: str | None) -> str | None:
    """Choose between the report's code and those in its words: the one beside the reply code is the server's own."""
    said = [*_TOGETHER.findall(words), *_ENHANCED.findall(words)]
    precise = next((found for found in said if not _VAGUE.fullmatch(found)), None)
    return precise or status or next(iter(said), None)


def _reply_code(words: str) -> int | None:
    found = _REPLY.search(words)
    return int(found[1]) if found else None


def _stage(words: str) -> Stage | None:
    return next((stage for stage, pattern in _STAGES if pattern.search(words)), None)


@lru_cache(maxsize=256)  # the recipients of one report often share their words
def _meaning(words: str, code: int | None, enhanced: str | None) -> Meaning:
    if code in (None, 421) and (reason := reason_of_transport(words)):
        return Meaning(reason)
    return meaning_of(Stage.RCPT, Reply(code or 0, enhanced, words), words)


def _at_stage(meaning: Meaning, stage: Stage | None, code: int | None, enhanced: str | None) -> Meaning:
    """Return what a fault of the recipient means at the stage at which it was said."""
    if stage is Stage.MAIL and code and meaning.reason in _OF_RECIPIENT:
        return Meaning("sender_rejected")
    # Nobody knows how many recipients the other transaction had: a refusal at its end may be about all of them, and some
    # filters call a recipient unknown there who is not.
    is_at_end = stage is Stage.EOM
    if is_at_end and meaning.reason in _OF_MAILBOX and not _OF_ADDRESS.fullmatch(enhanced or ""):
        return Meaning("other")
    return meaning
