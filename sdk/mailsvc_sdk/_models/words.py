"""The API's words. They are plain strings: a new one of a newer service does no harm."""

from typing import Literal

from mailsvc_sdk._sending.choices import Disposition, OnUncertain, Priority

__all__ = [
    "ArrivalKind",
    "BounceReason",
    "Disposition",
    "MessageStatus",
    "OnUncertain",
    "Priority",
    "RelayAuth",
    "Scope",
    "Status",
    "SubmissionState",
    "SuppressionReason",
    "Tls",
]

Status = Literal[
    "scheduled",
    "queued",
    "sending",
    "deferred",
    "held",
    "sent",
    "delivered",
    "bounced",
    "complained",
    "suppressed",
    "expired",
    "canceled",
    "uncertain",
]
MessageStatus = Status | Literal["partial"]
Scope = Literal["send", "read", "admin"]
Tls = Literal["starttls", "implicit", "none"]
RelayAuth = Literal["auto", "plain", "login", "cram-md5", "scram-sha-256", "xoauth2", "oauthbearer"]
SubmissionState = Literal["waiting", "rejected"]
SuppressionReason = Literal["manual", "hard_bounce", "complaint", "unsubscribe"]
ArrivalKind = Literal[
    "bounce", "delay", "receipt", "complaint", "reply", "auto_reply", "unsubscribe", "message", "unparsed"
]
BounceReason = Literal[
    "mailbox_unknown",
    "mailbox_disabled",
    "domain_unknown",
    "mailbox_full",
    "message_too_large",
    "content_rejected",
    "spam_rejected",
    "policy_rejected",
    "reputation_blocked",
    "authentication_failed",
    "sender_rejected",
    "relaying_denied",
    "rate_limited",
    "greylisted",
    "system_error",
    "network_error",
    "protocol_error",
    "expired",
    "other",
]

FINAL: frozenset[str] = frozenset(
    {"sent", "delivered", "bounced", "complained", "suppressed", "expired", "canceled", "uncertain"}
)
