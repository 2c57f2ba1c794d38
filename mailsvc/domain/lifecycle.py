"""The states of a delivery, and one table with all transitions between them.

A repeated or late change that is not in the table has no effect: ``follow`` returns None.
"""

from enum import StrEnum

__all__ = ["ATTENTION", "FINAL", "PARTIAL", "RECALLABLE", "Change", "Status", "follow", "message_status"]


class Status(StrEnum):
    """The status of a delivery (public contract)."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    HELD = "held"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    UNCERTAIN = "uncertain"


class Change(StrEnum):
    """A change to a delivery."""

    SENT = "sent"  # the relay accepted it
    BOUNCE = "bounce"  # a permanent refusal, or a later bounce
    DEFER = "defer"  # a failed attempt, to be repeated
    RETURN = "return"  # a claim returned without an attempt
    GIVE_UP = "give_up"  # uncertain, and the message forbids another try
    EXPIRE = "expire"
    SUPPRESS = "suppress"
    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    POSTPONE = "postpone"  # released before its scheduled time
    RETRY = "retry"  # an operator retries it now
    DELIVER = "deliver"  # a positive DSN
    COMPLAIN = "complain"
    FIND = "find"  # its copy is in the Sent folder
    MISS = "miss"  # its copy was looked for in vain, so that it is sent again


S, C = Status, Change

FINAL = frozenset({S.SENT, S.DELIVERED, S.BOUNCED, S.COMPLAINED, S.SUPPRESSED, S.EXPIRED, S.CANCELED, S.UNCERTAIN})
RECALLABLE = frozenset({S.SCHEDULED, S.QUEUED, S.DEFERRED, S.HELD})

_TABLE: dict[tuple[Status, Change], Status] = {
    # Claimed: only the result of this claim, fenced by the lease token, ends it.
    (S.SENDING, C.SENT): S.SENT,
    (S.SENDING, C.BOUNCE): S.BOUNCED,
    (S.SENDING, C.DEFER): S.DEFERRED,
    (S.SENDING, C.RETURN): S.QUEUED,
    (S.SENDING, C.GIVE_UP): S.UNCERTAIN,
    # Claimed, but too late to be sent, e.g. at the moment of expiry.
    (S.SENDING, C.EXPIRE): S.EXPIRED,
    # The address was suppressed after the message was accepted.
    (S.SENDING, C.SUPPRESS): S.SUPPRESSED,
    # Waiting: users and time may change it.
    **{(s, C.EXPIRE): S.EXPIRED for s in RECALLABLE},
    **{(s, C.CANCEL): S.CANCELED for s in RECALLABLE},
    **{(s, C.HOLD): S.HELD for s in (S.SCHEDULED, S.QUEUED, S.DEFERRED)},
    (S.HELD, C.RELEASE): S.QUEUED,
    (S.HELD, C.POSTPONE): S.SCHEDULED,
    (S.SCHEDULED, C.RETRY): S.QUEUED,
    (S.QUEUED, C.RETRY): S.QUEUED,
    (S.DEFERRED, C.RETRY): S.QUEUED,
    (S.HELD, C.RETRY): S.QUEUED,
    # The connection was lost after the final dot, and the Sent folder was searched.
    (S.DEFERRED, C.FIND): S.SENT,
    (S.HELD, C.FIND): S.SENT,
    (S.DEFERRED, C.MISS): S.QUEUED,
    # The sender retries a delivery that ended without success.
    (S.BOUNCED, C.RETRY): S.QUEUED,
    (S.EXPIRED, C.RETRY): S.QUEUED,
    (S.UNCERTAIN, C.RETRY): S.QUEUED,
    (S.SUPPRESSED, C.RETRY): S.QUEUED,
    # Reports that come by mail after the relay accepted it.
    (S.SENT, C.DELIVER): S.DELIVERED,
    (S.SENT, C.BOUNCE): S.BOUNCED,
    (S.SENT, C.COMPLAIN): S.COMPLAINED,
    # Any report resolves an uncertain delivery.
    (S.UNCERTAIN, C.SENT): S.SENT,
    (S.UNCERTAIN, C.DELIVER): S.DELIVERED,
    (S.UNCERTAIN, C.BOUNCE): S.BOUNCED,
    (S.UNCERTAIN, C.COMPLAIN): S.COMPLAINED,
    # A first hop reported success, a later one bounced it (forwarding): the failure counts.
    (S.DELIVERED, C.BOUNCE): S.BOUNCED,
    (S.DELIVERED, C.COMPLAIN): S.COMPLAINED,
}


def follow(status: Status, change: Change) -> Status | None:
    """Return the next state, or None if this change has no effect in that state."""
    return _TABLE.get((status, change))


ATTENTION = (S.HELD, S.DEFERRED, S.SENDING, S.QUEUED, S.SCHEDULED)
PARTIAL = "partial"  # all deliveries have ended, in different states


def message_status(statuses: set[str]) -> str:
    """Return a message's status: its deliveries' if equal, else the one that needs attention, else ``partial``."""
    if len(statuses) == 1:
        return next(iter(statuses))
    return next((s.value for s in ATTENTION if s.value in statuses), PARTIAL)
