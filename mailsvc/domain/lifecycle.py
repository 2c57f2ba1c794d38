"""The states of a delivery and the one table that says what may follow what.

A repeated or late input that is not in the table changes nothing: ``follow`` answers None.
"""

from enum import StrEnum

__all__ = ["ATTENTION", "FINAL", "PARTIAL", "RECALLABLE", "Change", "Status", "follow", "message_status"]


class Status(StrEnum):
    """Where a delivery stands (public contract)."""

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
    """What can happen to a delivery."""

    SENT = "sent"  # the relay took it
    BOUNCE = "bounce"  # a permanent refusal, or a bounce that came later
    DEFER = "defer"  # a failed attempt, to be tried again
    RETURN = "return"  # a claim given back without an attempt
    GIVE_UP = "give_up"  # uncertain, and the message forbids a second try
    EXPIRE = "expire"
    SUPPRESS = "suppress"
    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    POSTPONE = "postpone"  # released before the time that it is scheduled for
    RETRY = "retry"  # an operator wants it tried now
    DELIVER = "deliver"  # a positive DSN
    COMPLAIN = "complain"


S, C = Status, Change

FINAL = frozenset({S.SENT, S.DELIVERED, S.BOUNCED, S.COMPLAINED, S.SUPPRESSED, S.EXPIRED, S.CANCELED, S.UNCERTAIN})
RECALLABLE = frozenset({S.SCHEDULED, S.QUEUED, S.DEFERRED, S.HELD})

_TABLE: dict[tuple[Status, Change], Status] = {
    # A claim is out: only its own result, fenced by the lease token, ends it.
    (S.SENDING, C.SENT): S.SENT,
    (S.SENDING, C.BOUNCE): S.BOUNCED,
    (S.SENDING, C.DEFER): S.DEFERRED,
    (S.SENDING, C.RETURN): S.QUEUED,
    (S.SENDING, C.GIVE_UP): S.UNCERTAIN,
    # A claim that came back too late to be sent, e.g. at the very moment of expiry.
    (S.SENDING, C.EXPIRE): S.EXPIRED,
    # The address was put on the suppression list after the message was accepted.
    (S.SENDING, C.SUPPRESS): S.SUPPRESSED,
    # Waiting: people and time may steer it.
    **{(s, C.EXPIRE): S.EXPIRED for s in RECALLABLE},
    **{(s, C.CANCEL): S.CANCELED for s in RECALLABLE},
    **{(s, C.HOLD): S.HELD for s in (S.SCHEDULED, S.QUEUED, S.DEFERRED)},
    (S.HELD, C.RELEASE): S.QUEUED,
    (S.HELD, C.POSTPONE): S.SCHEDULED,
    (S.SCHEDULED, C.RETRY): S.QUEUED,
    (S.QUEUED, C.RETRY): S.QUEUED,
    (S.DEFERRED, C.RETRY): S.QUEUED,
    (S.HELD, C.RETRY): S.QUEUED,
    # The sender asks again for what ended without reaching anybody.
    (S.BOUNCED, C.RETRY): S.QUEUED,
    (S.EXPIRED, C.RETRY): S.QUEUED,
    (S.UNCERTAIN, C.RETRY): S.QUEUED,
    (S.SUPPRESSED, C.RETRY): S.QUEUED,
    # News that comes by mail after the relay took it.
    (S.SENT, C.DELIVER): S.DELIVERED,
    (S.SENT, C.BOUNCE): S.BOUNCED,
    (S.SENT, C.COMPLAIN): S.COMPLAINED,
    # Uncertain settles as soon as anything is heard of it.
    (S.UNCERTAIN, C.SENT): S.SENT,
    (S.UNCERTAIN, C.DELIVER): S.DELIVERED,
    (S.UNCERTAIN, C.BOUNCE): S.BOUNCED,
    (S.UNCERTAIN, C.COMPLAIN): S.COMPLAINED,
    # A first hop said delivered, a later one bounced it (forwarding): the failure is what matters.
    (S.DELIVERED, C.BOUNCE): S.BOUNCED,
    (S.DELIVERED, C.COMPLAIN): S.COMPLAINED,
}


def follow(status: Status, change: Change) -> Status | None:
    """The state that comes after, or None where this change means nothing to that state."""
    return _TABLE.get((status, change))


ATTENTION = (S.HELD, S.DEFERRED, S.SENDING, S.QUEUED, S.SCHEDULED)
PARTIAL = "partial"  # all deliveries have ended, not all alike


def message_status(statuses: set[str]) -> str:
    """A message's status out of its deliveries': all alike, else what needs attention first, else ``partial``."""
    if len(statuses) == 1:
        return next(iter(statuses))
    return next((s.value for s in ATTENTION if s.value in statuses), PARTIAL)
