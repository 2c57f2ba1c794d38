"""What a refusal means: reply codes, enhanced codes (RFC 3463) and words, sorted into the public bounce reasons.

Enhanced codes say most and are asked first; providers' words correct the codes that say little (5.7.1, 5.0.0, a bare 550).
"""

import re

from mailsvc.domain.attempt import Reply, Stage

__all__ = ["bounce_reason", "is_recipient_fault"]

_RECIPIENT_FAULT = frozenset({"mailbox_unknown", "mailbox_disabled", "domain_unknown", "mailbox_full"})
_HARD = frozenset({"mailbox_unknown", "mailbox_disabled", "domain_unknown"})

# subject.detail of an enhanced code → reason; the class (4 or 5) does not change what it is about
_BY_ENHANCED = {
    "1.1": "mailbox_unknown",
    "1.2": "domain_unknown",
    "1.3": "mailbox_unknown",
    "1.6": "mailbox_disabled",
    "1.7": "sender_rejected",
    "1.8": "sender_rejected",
    "1.10": "domain_unknown",
    "2.0": "mailbox_unknown",
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "2.3": "message_too_large",
    "3.0": "system_error",
    "3.1": "system_error",
    "3.2": "system_error",
    "3.4": "message_too_large",
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
            r"(unknown|no such|invalid|non-?existent|bad) (local )?(user|recipient|mailbox|address|account|person)|not our customer|no mailbox here",
            "mailbox_unknown",
        ),
        (
            r"(domain|host)[^.]{0,40}(not found|unknown|does ?n[o']t exist|no mx)|unrouteable|no such domain|nxdomain",
            "domain_unknown",
        ),
        (r"too (large|big)|size (limit|exceed)|exceeds? (the )?(maximum|size|limit)", "message_too_large"),
        (
            r"rate|too many (messages|connections|emails|mails)|throttl|try again later|temporarily deferred",
            "rate_limited",
        ),
        (r"virus|malware|attachment|content (rejected|not)|forbidden content|infected", "content_rejected"),
        (r"sender (address )?(rejected|denied|verify|not allowed)|from address", "sender_rejected"),
        (r"polic(y|ies)|not (allowed|authori[sz]ed|permitted)|access denied|administrative", "policy_rejected"),
    )
)


def bounce_reason(stage: Stage, reply: Reply | None, text: str) -> tuple[str, str]:
    """The reason and whether it is ``hard`` (no use to try this address again) or ``soft``.

    Args:
        reply: the refusing reply; None where we refused ourselves, the text then begins with an enhanced code.
    """
    enhanced = reply.enhanced_code if reply else text.split(" ", 1)[0]
    reason = _BY_ENHANCED.get((enhanced or "").partition(".")[2])
    if reason is None or enhanced in ("5.2.0", "5.1.0"):
        reason = _by_words(text) or reason or _by_code(stage, reply)
    elif reason == "mailbox_unknown":
        # 5.1.1 is also what some give for mail that they don't like.
        reason = {"spam_rejected": "spam_rejected", "reputation_blocked": "reputation_blocked"}.get(
            _by_words(text) or "", reason
        )
    return reason, "hard" if reason in _HARD else "soft"


def is_recipient_fault(reason: str) -> bool:
    """Whether the address is to blame, rather than the sender, the message or the way."""
    return reason in _RECIPIENT_FAULT


def _by_words(text: str) -> str | None:
    return next((reason for pattern, reason in _BY_WORDS if pattern.search(text)), None)


def _by_code(stage: Stage, reply: Reply | None) -> str:
    code = reply.code if reply else 0
    if code == 552:
        return "mailbox_full" if stage is Stage.RCPT else "message_too_large"
    if code in (551, 556):
        return "mailbox_unknown" if code == 551 else "domain_unknown"
    if code // 10 == 50:
        return "protocol_error"
    return "policy_rejected" if code == 571 else "other"
