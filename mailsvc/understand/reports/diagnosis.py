"""Judges what a report says about a recipient, with the judge of SMTP replies."""

import re

import msgspec

from mailsvc.domain.attempt import Reply, Stage
from mailsvc.mime.refusal_meaning import Meaning, meaning_of
from mailsvc.understand.report import Diagnosis

__all__ = ["Origin", "diagnose", "enhanced_code_in"]

_MAX_WORDS = 2000  # characters of a diagnostic that are kept

_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\d.:/=-])(4[2-7]\d|5[0-79]\d)(?![\d.:]|\s*(?:bytes|seconds|minutes|hours|days|times|KB|MB))")
_SPACE = re.compile(r"\s+")
_VAGUE = re.compile(r"[245]\.0\.\d{1,3}")

_STAGES = (
    (
        Stage.MAIL,
        re.compile(
            r"(?:to|after|our|<<<|>>>|in response to)[:\s]{0,3}(?:the )?MAIL\b(?: FROM)?|MAIL FROM command",
            re.IGNORECASE,
        ),
    ),
    (
        Stage.EOM,
        re.compile(
            r"(?:to|after|our) (?:the |final )?(?:end of )?(?:mail )?DATA\b|after I sent the message|TEXT command",
            re.IGNORECASE,
        ),
    ),
)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says besides the words about one recipient."""

    source: str  # dsn | heuristic
    remote_mta: str | None = None
    reporting_mta: str | None = None


def diagnose(words: str, status: str | None, origin: Origin, *, context: str = "") -> Diagnosis:
    """Return why a recipient failed.

    Args:
        words: what the receiving server or the reporting program says of it; may be empty.
        status: the enhanced code that the report gives (RFC 3464 section 2.3.4), if any.
        context: other words of the report, which decide only if those say nothing.
    """
    words = _SPACE.sub(" ", words).strip()
    code = _reply_code(words)
    enhanced = _enhanced(words, status, code)
    meaning = _meaning(words, code, enhanced)
    if meaning.reason == "other" and context:
        meaning = _meaning(_SPACE.sub(" ", context), code, enhanced)
    return Diagnosis(
        type=meaning.type,
        reason=meaning.reason,
        source=origin.source,
        enhanced_code=enhanced,
        code=code,
        diagnostic=words[:_MAX_WORDS] or None,
        remote_mta=origin.remote_mta,
        reporting_mta=origin.reporting_mta,
    )


def enhanced_code_in(text: str | None) -> str | None:
    """Return the first enhanced code of a text (RFC 3463), if it has one."""
    found = _ENHANCED.search(text or "")
    return found[1] if found else None


def _enhanced(words: str, status: str | None, code: int | None) -> str | None:
    """Choose between the report's code and the one in its words: the more precise one, else that of the words."""
    said = [found for found in _ENHANCED.findall(words) if code is None or int(found[0]) == code // 100]
    precise = next((found for found in said if not _VAGUE.fullmatch(found)), None)
    if status is None or _VAGUE.fullmatch(status):
        return precise or (said[0] if said and not status else status)
    return status


def _reply_code(words: str) -> int | None:
    found = _REPLY.search(words[:4096])
    return int(found[1]) if found else None


def _meaning(words: str, code: int | None, enhanced: str | None) -> Meaning:
    stage = next((stage for stage, pattern in _STAGES if pattern.search(words)), Stage.RCPT)
    return meaning_of(stage, Reply(code or 0, enhanced, words), words)
