"""The jobs for Sent folders: claimed by leases, put off, ended; what is found settles a delivery."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from mailsvc import clock
from mailsvc.domain.attempt import Stage
from mailsvc.domain.lifecycle import Change, Status
from mailsvc.outcomes.outcome import Outcome, smtp_json
from mailsvc.outcomes.record import record
from mailsvc.outcomes.sent_plan import FIRST_LOOK
from mailsvc.outcomes.sent_proof import ABSENT, is_proven
from mailsvc.store import leases
from mailsvc.store.database import Database
from mailsvc.store.leases import SENT_JOBS, DueSentJob, Quota
from mailsvc.store.sent_tables import COPY, LOOKUP, sent_job
from mailsvc.store.tables import delivery

__all__ = [
    "LEASE",
    "begin_filing",
    "end",
    "give_up_lookup",
    "is_void",
    "put_off",
    "release",
    "release_all",
    "return_missing",
    "settle_lookup",
    "take",
]

LEASE = 60 * clock.SECOND
_WAITS = {LOOKUP: (FIRST_LOOK, 4 * clock.MINUTE), COPY: (clock.MINUTE, 4 * clock.HOUR)}  # the first and the longest
_WAITING = (Status.DEFERRED.value, Status.HELD.value)


# Leases


def take(database: Database, wanted: Sequence[Quota], *, owner: str) -> list[DueSentJob]:
    """Lease due jobs of these relays; durable on return."""
    with database.write() as connection:
        now = database.now()
        return leases.claim(connection, SENT_JOBS, wanted, owner=owner, now=now, until=now + LEASE)


def release(connection: Connection, jobs: Collection[DueSentJob], *, now: int) -> None:
    """End the leases of jobs that were not begun."""
    for job in jobs:
        _change(connection, job, now, status="waiting", due_at=now)


def release_all(database: Database, owner: str) -> None:
    """End all leases of a process that ended or died."""
    with database.write() as connection:
        held = (sent_job.c.lease_owner == owner) & sent_job.c.due_at.is_not(None)
        ended = {"status": "waiting", "due_at": database.now(), "lease_owner": None}
        connection.execute(update(sent_job).where(held).values(**ended))


def return_missing(database: Database, owner: str, in_hand: Collection[str]) -> None:
    """Release jobs that were claimed by a transaction whose result never arrived."""
    with database.write() as connection:
        now = database.now()
        for row in leases.overdue(connection, SENT_JOBS, owner=owner, now=now):
            if row.id not in in_hand:
                lost = (sent_job.c.id == row.id) & (sent_job.c.lease_token == row.lease_token)
                connection.execute(update(sent_job).where(lost).values(status="waiting", due_at=now, lease_owner=None))


# Results


def put_off(connection: Connection, job: DueSentJob, error: str, *, now: int) -> bool:
    """Try the job again later, longer each time. Returns False once its time is over: then it must be ended."""
    if now >= job.until:
        return False
    first, longest = _WAITS[job.kind]
    due_at = min(now + min(longest, first * 2 ** min(job.tries, 20)), job.until)
    _change(connection, job, now, status="waiting", due_at=due_at, tries=job.tries + 1, last_error=error)
    return True


def end(connection: Connection, job: DueSentJob, status: str, *, now: int, error: str | None = None) -> None:
    """End a job; its row stays, because later look-ups count on it."""
    _change(connection, job, now, status=status, due_at=None, tries=job.tries + 1, last_error=error)


def begin_filing(connection: Connection, job: DueSentJob, *, until: int, now: int) -> bool:
    """Note before an APPEND that a copy of ours may be there. Returns whether the job is still held, now until ``until``."""
    return _change(connection, job, now, may_be_filed=True, due_at=until, lease_owner=sent_job.c.lease_owner)


def is_void(connection: Connection, job: DueSentJob) -> bool:
    """Whether the delivery no longer waits for its look-up: it was canceled, retried, has expired, or is being sent."""
    row = connection.execute(
        select(delivery.c.status, delivery.c.lease_token).where(delivery.c.id == job.delivery_id)
    ).first()
    return row is None or row.lease_token != job.claim_token or row.status not in _WAITING


def settle_lookup(connection: Connection, job: DueSentJob, copies: int, place: str, *, now: int) -> str:
    """Record what a look at the Sent folder means. Returns the job's status: found, waiting, absent or unproven.

    Args:
        copies: how many messages with the Message-ID there are.
        place: the folder and mailbox, for people.
    """
    if is_proven(connection, job, copies=copies):
        said = f"the connection was lost after the final dot; its copy is in {place}"
        _tell(connection, job, Change.FIND, said, now)
        end(connection, job, "found", now=now)
        return "found"
    seen = "no copy" if not copies else f"{copies} with its Message-ID, which may be those of other transactions"
    if put_off(connection, job, f"{seen} in {place}", now=now):
        return "waiting"
    return give_up_lookup(connection, job, f"{seen} in {place}", ABSENT if not copies else "unproven", now=now)


def give_up_lookup(connection: Connection, job: DueSentJob, error: str, status: str, *, now: int) -> str:
    """End a look-up without proof: the delivery is sent again. Returns the status."""
    _tell(connection, job, Change.MISS, f"the connection was lost after the final dot; {error}: it is sent again", now)
    end(connection, job, status, now=now, error=error)
    return status


def _tell(connection: Connection, job: DueSentJob, change: Change, said: str, now: int) -> None:
    assert job.delivery_id is not None
    last = connection.execute(select(delivery.c.last_smtp).where(delivery.c.id == job.delivery_id)).scalar()
    smtp = smtp_json(Stage.EOM, None, None, said, json.loads(last)["host"] if last else "")
    record(connection, [Outcome(job.delivery_id, change, job.claim_token, kept_by=smtp, why=said)], now=now)


def _change(connection: Connection, job: DueSentJob, now: int, **values: Any) -> bool:
    """Change a job that is still held. Returns whether it was."""
    held = (sent_job.c.id == job.id) & (sent_job.c.lease_token == job.lease_token) & sent_job.c.due_at.is_not(None)
    values = {"lease_owner": None, "updated_at": now} | values
    return connection.execute(update(sent_job).where(held).values(**values)).rowcount == 1
