"""What copies in a Sent folder prove about a transaction that ended without a reply.

A server that files copies files one for each transaction it accepted, all with the message's Message-ID, and nothing in
them tells the transactions apart. So the copies are counted: a transaction was accepted if there are more copies than all
others that may have left one can account for. Then all its deliveries are sent. Otherwise nothing is proven.

| what may have left a copy                                                      | counted |
| ------------------------------------------------------------------------------ | ------- |
| each transaction of the message that was accepted, whoever its recipients were | 1       |
| each other one without a reply (with VERP, one for each recipient)             | 1       |
| one without a reply, of which there was no copy when its look-up ended         | 0       |
| our own copy (``file_sent``), from the moment before its APPEND                | 1       |

Other messages of the app with the same Message-ID count, too. While another delivery of theirs is at the relay, or may be,
nothing can be proven yet. A server that files one copy whatever it accepted (Gmail keeps one of equal Message-IDs) so proves
only messages that were sent by one transaction.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from mailsvc.domain.attempt import Fate
from mailsvc.domain.lifecycle import Status
from mailsvc.store.leases import DueSentJob
from mailsvc.store.sent_tables import COPY, LOOKUP, sent_job
from mailsvc.store.tables import attempt, delivery, message, other_message_id

__all__ = ["ABSENT", "is_proven"]

ABSENT = "absent"  # the status of a look-up that ended without any copy


def is_proven(connection: Connection, job: DueSentJob, *, copies: int) -> bool:
    """Whether so many copies prove that the transaction of this look-up was accepted.

    The copies must have been counted before: what may have left one of them is in the database by now.
    """
    if not copies:
        return False
    messages = _same_message_id(job)
    if _is_under_way(connection, messages, job):
        return False
    return copies > _accounted_for(connection, messages, job)


def _same_message_id(job: DueSentJob) -> Select[Any]:
    """The ids of the app's messages with the job's Message-ID; an application may have given it to several."""
    given = other_message_id
    identifier = select(given.c.identifier).where(
        given.c.app_id == job.app_id, given.c.message_id == job.message_id, given.c.delivery_id == ""
    )
    shared = select(given.c.message_id).where(
        given.c.app_id == job.app_id, given.c.identifier.in_(identifier), given.c.delivery_id == ""
    )
    return select(message.c.id).where(or_(message.c.id == job.message_id, message.c.id.in_(shared)))


def _is_under_way(connection: Connection, messages: Select[Any], job: DueSentJob) -> bool:
    """Whether the result of a transaction isn't known yet that may have left a copy."""
    is_open = or_(delivery.c.status == Status.SENDING.value, delivery.c.uncertain)
    others = delivery.c.message_id.in_(messages) & (delivery.c.id != job.delivery_id) & is_open
    return connection.execute(select(delivery.c.id).where(others).limit(1)).first() is not None


def _accounted_for(connection: Connection, messages: Select[Any], job: DueSentJob) -> int:
    jobs = connection.execute(select(sent_job).where(sent_job.c.message_id.in_(messages))).all()
    lookups = [row for row in jobs if row.kind == LOOKUP]
    absent = {row.sent_with for row in lookups if row.status == ABSENT}
    uncertain = {row.sent_with for row in lookups} - absent - {job.sent_with}
    looked_up = {(row.delivery_id, row.attempt) for row in lookups}
    others = [row for row in _attempts(connection, messages) if (row.delivery_id, row.number) not in looked_up]
    own_copies = len([row for row in jobs if row.kind == COPY and row.may_be_filed])
    return len(uncertain) + _transactions(others) + own_copies


def _attempts(connection: Connection, messages: Select[Any]) -> Iterable[Any]:
    """The attempts that were accepted, or may have been."""
    deliveries = select(delivery.c.id).where(delivery.c.message_id.in_(messages))
    may_be_accepted = attempt.c.outcome.in_((Fate.SENT.value, Fate.UNCERTAIN.value))
    columns = (attempt.c.delivery_id, attempt.c.number, attempt.c.started_at, attempt.c.duration_ms)
    return connection.execute(select(*columns).where(attempt.c.delivery_id.in_(deliveries), may_be_accepted))


def _transactions(attempts: Iterable[Any]) -> int:
    """Count transactions: attempts with the same beginning and duration are one; a duration of 0 is unknown."""
    return len(
        {(row.started_at, row.duration_ms) if row.duration_ms else (row.delivery_id, row.number) for row in attempts}
    )
