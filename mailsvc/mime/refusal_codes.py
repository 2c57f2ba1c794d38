"""The bounce reason for each enhanced code of a refusal (RFC 3463). Data, read by ``mime.refusal_meaning``."""

import re

__all__ = ["BY_ENHANCED", "BY_SUBJECT", "MISUSED"]

# subject.detail of an enhanced code (RFC 3463, its registry, and additions of providers); the class doesn't change the
# subject. Codes that are used for everything (x.0.0, x.1.0, x.2.0, x.7.0, x.7.1) are missing: for them, words decide,
# then the subject.
BY_ENHANCED = {
    "1.1": "mailbox_unknown",
    "1.2": "domain_unknown",
    "1.3": "mailbox_unknown",
    "1.6": "mailbox_disabled",
    "1.7": "sender_rejected",
    "1.8": "sender_rejected",
    "1.10": "mailbox_unknown",  # RFC 7505's null MX, and Exchange's "recipient not found"
    "1.90": "rate_limited",  # Exchange Online: the daily number of recipients is used up
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "2.3": "message_too_large",
    "2.121": "rate_limited",  # Exchange Online: more per hour than the recipient accepts
    "2.122": "rate_limited",
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
    "4.310": "domain_unknown",  # Exchange Online: NXDOMAIN
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
    "7.30": "relaying_denied",  # Exchange Online: basic authentication is switched off
    "7.57": "relaying_denied",  # Exchange: the client was not authenticated
    "7.60": "sender_rejected",  # Exchange: no permission to send as this sender
    "7.232": "rate_limited",  # Exchange Online: limits of trial and other tenants
    "7.233": "rate_limited",
    "7.509": "authentication_failed",
    "7.515": "authentication_failed",
    "7.606": "reputation_blocked",
}

BY_SUBJECT = {"7": "policy_rejected", "6": "content_rejected", "5": "protocol_error"}

# Codes that large providers use for another purpose than the registered one, with the words that show it.
MISUSED: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("1.1", re.compile(r"preferences|limited access", re.IGNORECASE), "policy_rejected"),  # Facebook
    ("1.10", re.compile(r"null ?mx|domain[^.]{0,80}not accept", re.IGNORECASE), "domain_unknown"),
    ("2.1", re.compile(r"(user|recipient) unknown|(unknown|no such) user", re.IGNORECASE), "mailbox_unknown"),
    (
        "2.1",
        re.compile(
            r"^(?!.*(mailbox|inbox|account|user|recipient|addressee|disabled|inactive|suspended)).*[a-z]", re.IGNORECASE
        ),
        "other",
    ),  # AOL and Zoho, of the client and of the message
    ("2.3", re.compile(r"policy", re.IGNORECASE), "policy_rejected"),  # Zoho
    (
        "3.0",
        re.compile(r"(no such|unknown) user|user (unknown|not found)|does n[o']t exist", re.IGNORECASE),
        "mailbox_unknown",
    ),
    ("4.1", re.compile(r"recipient address rejected", re.IGNORECASE), "mailbox_unknown"),  # Exchange's edge blocking
    ("4.5", re.compile(r"insufficient|disk", re.IGNORECASE), "system_error"),
    ("4.4", re.compile(r"\b(tenant|attribution)\b", re.IGNORECASE), "relaying_denied"),  # Exchange: wrong connector
    ("5.0", re.compile(r"mailbox unavailable", re.IGNORECASE), "mailbox_unknown"),  # Outlook.com
    ("5.0", re.compile(r"domain is not reachable", re.IGNORECASE), "domain_unknown"),  # Outlook.com
    ("5.4", re.compile(r"mailbox unavailable", re.IGNORECASE), "mailbox_unknown"),
)
