"""What a refusal means: reply codes, enhanced codes (RFC 3463) and words, sorted into the public bounce reasons.

Enhanced codes say most and are asked first; providers' words correct the codes that say little (5.7.1, 5.0.0, a bare 550).
"""

import re

from mailsvc.domain.attempt import Reply, Stage

__all__ = ["bounce_reason", "is_recipient_fault", "own_words"]

_RECIPIENT_FAULT = frozenset({"mailbox_unknown", "mailbox_disabled", "domain_unknown", "mailbox_full"})
_HARD = frozenset({"mailbox_unknown", "mailbox_disabled", "domain_unknown"})

# An address may contain any word: it must not be taken for one of the relay's.
_ADDRESS = re.compile(r"[^\s<>@]{1,128}@[^\s<>@]{1,255}")
_OWN_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_MOST_TEXT = 4096  # characters: whoever has not come to the point by then never will

# subject.detail of an enhanced code → reason; the class (4 or 5) does not change what it is about. What is missing says
# too little: words decide, then the subject (x.0.0, x.1.0, x.2.0, x.7.0, x.7.1 are used for anything).
_BY_ENHANCED = {
    "1.1": "mailbox_unknown",
    "1.2": "domain_unknown",
    "1.3": "mailbox_unknown",
    "1.6": "mailbox_disabled",
    "1.7": "sender_rejected",
    "1.8": "sender_rejected",
    "1.10": "mailbox_unknown",  # RFC 7505's null MX, and Exchange's "recipient not found"
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "2.3": "message_too_large",
    "3.0": "system_error",
    "3.1": "system_error",
    "3.2": "system_error",
    "3.3": "system_error",
    "3.4": "message_too_large",
    "3.5": "system_error",
    "4.0": "network_error",
    "4.1": "network_error",
    "4.2": "network_error",
    "4.3": "network_error",
    "4.4": "domain_unknown",
    "4.5": "rate_limited",
    "4.6": "system_error",
    "4.7": "expired",
    "5.0": "protocol_error",
    "5.1": "protocol_error",
    "5.2": "protocol_error",
    "5.4": "protocol_error",
    "5.5": "protocol_error",
    "5.6": "protocol_error",
    "6.0": "content_rejected",
    "6.1": "content_rejected",
    "6.2": "content_rejected",
    "6.3": "content_rejected",
    "6.6": "content_rejected",
    "6.7": "protocol_error",
    "7.8": "relaying_denied",
    "7.20": "authentication_failed",
    "7.21": "authentication_failed",
    "7.22": "authentication_failed",
    "7.23": "authentication_failed",
    "7.24": "authentication_failed",
    "7.25": "reputation_blocked",
    "7.26": "authentication_failed",
    "7.27": "sender_rejected",
    "7.28": "rate_limited",
    "7.509": "authentication_failed",
    "7.515": "authentication_failed",
    "7.606": "reputation_blocked",
}

# Codes that large providers use for something else than what is registered, and their words for it.
_MISUSED = (
    ("1.1", re.compile(r"\bspam\b|unsolicited", re.IGNORECASE), "spam_rejected"),
    ("1.1", re.compile(r"spamhaus|block ?list|black ?list|dnsbl|reputation", re.IGNORECASE), "reputation_blocked"),
    ("4.1", re.compile(r"recipient address rejected", re.IGNORECASE), "mailbox_unknown"),  # Exchange's edge blocking
    ("5.0", re.compile(r"mailbox unavailable", re.IGNORECASE), "mailbox_unknown"),  # Outlook.com
)

_BY_SUBJECT = {"7": "policy_rejected", "6": "content_rejected", "5": "protocol_error"}

# The first that is found in the text decides; the more telling ones come first.
_BY_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (r"grey-?list", "greylisted"),
        (r"\b(spf|dkim|dmarc)\b|unauthenticated (mail|email|sender)", "authentication_failed"),
        (
            r"spamhaus|block ?list|black ?list|dnsbl|\brbl\b|reputation|poor sender|banned|listed (at|in|by)",
            "reputation_blocked",
        ),
        (r"\bspam\b|unsolicited|junk|bulk mail", "spam_rejected"),
        (
            r"relay(ing)? (access )?(denied|not (permitted|allowed))|unable to relay|not permitted to relay",
            "relaying_denied",
        ),
        (r"sender (address )?(rejected|denied|verify|not allowed|unknown|blocked|invalid)", "sender_rejected"),
        (
            r"over ?quota|quota exceeded|mailbox (is )?full|full mailbox|exceeded (its |the )?(storage|quota)|insufficient (storage|disk)|out of storage",
            "mailbox_full",
        ),
        (
            r"(mailbox|account|address|user)( is| has been)? (disabled|suspended|inactive|locked|deactivated|discontinued)",
            "mailbox_disabled",
        ),
        (
            r"(user|recipient|mailbox|address|account|alias)[^.]{0,60}(unknown|not (be )?found|does ?n[o']t exist|not exist|no longer|invalid|unavailable)",
            "mailbox_unknown",
        ),
        (
            r"(unknown|no such|invalid|non-?existent|bad) (local )?(user|recipient|mailbox|address|account|person)|not our customer|no mailbox here|user does ?n[o']t have an? [^ ]+ account",
            "mailbox_unknown",
        ),
        (
            r"(domain|host)[^.]{0,40}(not found|unknown|does ?n[o']t exist|no mx)|unrouteable|no such domain|nxdomain",
            "domain_unknown",
        ),
        (r"too (large|big)|size (limit|exceed)|exceeds? (the )?(maximum|size|limit)", "message_too_large"),
        (
            r"\brate\b|rate.?limit|too many (messages|connections|emails|mails)|throttl|try again later|temporarily deferred",
            "rate_limited",
        ),
        (r"virus|malware|attachment|content (rejected|not)|forbidden content|infected", "content_rejected"),
        (r"from address", "sender_rejected"),
        (r"polic(y|ies)|not (allowed|authori[sz]ed|permitted)|access denied|administrative", "policy_rejected"),
    )
)


def bounce_reason(stage: Stage, reply: Reply | None, text: str) -> tuple[str, str]:
    """The reason and whether it is ``hard`` (no use to try this address again) or ``soft``.

    Args:
        reply: the refusing reply; None where we refused ourselves, the text then begins with an enhanced code.
    """
    enhanced = (reply.enhanced_code if reply else own_words(text)[0]) or ""
    said = _ADDRESS.sub(" ", text[:_MOST_TEXT])
    reason = _by_enhanced(enhanced, said) or _by_words(said) or _by_code(stage, reply, enhanced)
    if stage is Stage.MAIL and reason in _RECIPIENT_FAULT:
        reason = "sender_rejected"  # nobody was asked about a recipient yet
    return reason, "hard" if reason in _HARD else "soft"


def own_words(text: str) -> tuple[str | None, str]:
    """Where no reply came: the enhanced code that our own words begin with, if they do, and the rest of them."""
    code, _, rest = text.partition(" ")
    return (code, rest) if _OWN_CODE.fullmatch(code) else (None, text)


def is_recipient_fault(reason: str) -> bool:
    """Whether the address is to blame, rather than the sender, the message or the way."""
    return reason in _RECIPIENT_FAULT


def _by_enhanced(enhanced: str, said: str) -> str | None:
    meaning = enhanced.partition(".")[2]
    for code, words, reason in _MISUSED:
        if code == meaning and words.search(said):
            return reason
    return _BY_ENHANCED.get(meaning)


def _by_words(text: str) -> str | None:
    return next((reason for pattern, reason in _BY_WORDS if pattern.search(text)), None)


def _by_code(stage: Stage, reply: Reply | None, enhanced: str) -> str:
    code = reply.code if reply else 0
    if code == 552:
        return "mailbox_full" if stage is Stage.RCPT else "message_too_large"
    if code in (551, 556):
        return "mailbox_unknown" if code == 551 else "domain_unknown"
    if code // 10 == 50:
        return "protocol_error"
    subject = enhanced.split(".")[1] if enhanced.count(".") == 2 else ""
    return "policy_rejected" if code == 571 else _BY_SUBJECT.get(subject, "other")
