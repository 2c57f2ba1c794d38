"""The recorder: writes every change of a delivery's status, with its attempt, its event and a suppression if one follows.

All in one transaction, many deliveries at a time. A outcome that is late, repeated or out of turn changes nothing.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from mailsvc.domain.bounce import SoftBounceLimit
from mailsvc.domain.events import EVENT_OF_STATUS
from mailsvc.domain.lifecycle import FINAL, Change, Status, follow
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.mime.given_ids import given_identifiers
from mailsvc.outcomes.consequences import Affected, suppress
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.sent_plan import Recorded, plan_jobs, with_lookups
from mailsvc.store.bulk import Document, among, carry_out, insertion, listed, update_of
from mailsvc.store.tables import attempt, delivery, message, other_message_id, relay

__all__ = ["record"]


class _Row(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A delivery's current row, with the columns of its message that events need."""

    id: str
    status: Status
    lease_token: int
    attempts: int
    uncertain: bool
    recipient: str
    message_id: str
    app_id: str
    expires_at: int | None
    last_smtp: str | None
    tags: str
    metadata: str
    message_expires_at: int
    header_message_id: str
    relay_id: str
    file_sent: bool | None  # None where the relay is gone


_CURRENT = Document(
    select(
        delivery.c.id,
        delivery.c.status,
        delivery.c.lease_token,
        delivery.c.attempts,
        delivery.c.uncertain,
        delivery.c.recipient,
        delivery.c.message_id,
        delivery.c.app_id,
        delivery.c.expires_at,
        delivery.c.last_smtp,
        message.c.tags,
        message.c.metadata,
        message.c.expires_at.label("message_expires_at"),
        message.c.message_id.label("header_message_id"),
        delivery.c.relay_id,
        relay.c.file_sent,
    )
    .join(message, message.c.id == delivery.c.message_id)
    .outerjoin(relay, relay.c.id == delivery.c.relay_id)
    .where(among(delivery.c.id, "ids"))
    .with_for_update(of=delivery),
    _Row,
    prepare=False,
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_DUE_LATER = frozenset({Status.SCHEDULED, Status.QUEUED, Status.DEFERRED})

# These settle the result, or the message forbids another try to find out. All other changes send nothing, so they
# don't resolve whether a dead worker sent it. A returned claim may have been judged already, as one that may be sent
# again; the next claim is judged in the same way, and the last worker's reply may have become known by then.
_SETTLES_DOUBT = frozenset({Change.SENT, Change.BOUNCE, Change.DEFER, Change.GIVE_UP, Change.FIND})


def record(
    connection: Connection,
    outcomes: Sequence[Outcome],
    *,
    now: int,
    soft_bounces: SoftBounceLimit | None = None,
) -> set[str]:
    """Write outcomes. Returns the ids of the deliveries that they changed.

    The caller's transaction makes all of it durable at once.

    Args:
        soft_bounces: so many bounces because of a full mailbox suppress the address; None for any number.
    """
    ids = sorted({f.delivery_id for f in outcomes})  # in one order, so that two recorders never deadlock
    rows = {row.id: row for row in _CURRENT.read(connection, ids=listed(ids))}
    steps = _steps(with_lookups(connection, outcomes, now=now), rows, now)
    if not steps:
        return set()
    dialect = connection.dialect.name
    settled = update_of(dialect, delivery, ("id",), [step.settlement for step in steps])
    attempts = insertion(dialect, attempt, [step.attempt for step in steps if step.attempt])
    replaced = insertion(dialect, other_message_id, [row for step in steps for row in _given_ids(step)])
    carry_out(connection, settled + attempts + replaced)
    plan_jobs(connection, [_recorded(step) for step in steps if step.outcome.verify or _is_filed(step)], now=now)
    append_events(connection, [step.news for step in steps if step.news], now=now)
    affected = [_affected(step) for step in steps if step.outcome.bounce or step.outcome.change is Change.COMPLAIN]
    suppress(connection, affected, now=now, soft_bounces=soft_bounces)
    return {step.outcome.delivery_id for step in steps}


class _Step(msgspec.Struct, frozen=True, gc=False):
    outcome: Outcome
    row: _Row
    settlement: dict[str, Any]
    attempt: dict[str, Any] | None
    news: NewEvent | None


def _steps(outcomes: Sequence[Outcome], rows: dict[str, _Row], now: int) -> list[_Step]:
    steps: list[_Step] = []
    taken: set[str] = set()
    for outcome in outcomes:
        row = rows.get(outcome.delivery_id)
        if row is None or outcome.delivery_id in taken:
            continue
        if outcome.lease_token is not None and outcome.lease_token != row.lease_token:
            continue  # its lease had expired, and another worker holds it or has finished it
        if outcome.lease_token is None and row.status is Status.SENDING:
            continue  # it may be in transit now: only the holder of the claim knows the result
        status = follow(row.status, outcome.change)
        if status is None:
            continue
        taken.add(outcome.delivery_id)
        steps.append(_step(outcome, row, status, now))
    return steps


def _step(outcome: Outcome, row: _Row, status: Status, now: int) -> _Step:
    tried = outcome.tried
    attempts = row.attempts + 1 if tried else row.attempts
    last_smtp = outcome.kept_by or (tried.smtp() if tried else row.last_smtp)
    due_at = (now if outcome.due_at is None else outcome.due_at) if status in _DUE_LATER else None
    expires_at = None if status in FINAL else row.expires_at or row.message_expires_at
    if due_at is not None and expires_at is not None:
        due_at = min(due_at, expires_at)
    settlement = {
        "id": row.id,
        "status": status.value,
        "due_at": due_at,
        "expires_at": expires_at,
        "attempts": attempts,
        "uncertain": row.uncertain and outcome.change not in _SETTLES_DOUBT,
        "last_smtp": last_smtp,
        "lease_owner": None,
        "updated_at": now,
    }
    return _Step(
        outcome,
        row,
        settlement,
        _attempt_row(outcome, attempts),
        _news(outcome, row, status, settlement),
    )


def _attempt_row(outcome: Outcome, number: int) -> dict[str, Any] | None:
    tried = outcome.tried
    if tried is None:
        return None
    tls = tried.tls
    return {
        "delivery_id": outcome.delivery_id,
        "number": number,
        "started_at": tried.started_at,
        "duration_ms": tried.duration_ms,
        "stage": tried.stage,
        "code": tried.code,
        "enhanced_code": tried.enhanced_code,
        "text": tried.text,
        "relay_id": tried.relay_id,
        "host": tried.host,
        "tls": _encode(tls).decode() if tls else None,
        "outcome": tried.outcome,
    }


def _given_ids(step: _Step) -> list[dict[str, Any]]:
    """The Message-IDs by which the relay will replace ours: a bounce may name no other."""
    tried, row = step.outcome.tried, step.row
    if tried is None or step.outcome.change is not Change.SENT:
        return []
    own = {"app_id": row.app_id, "message_id": row.message_id, "delivery_id": row.id}
    return [{**own, "identifier": given} for given in given_identifiers(tried.text, row.header_message_id)]


def _is_filed(step: _Step) -> bool:
    """Whether a copy of the message is filed; one that was found in the Sent folder is there already."""
    return bool(step.row.file_sent) and step.outcome.change is Change.SENT


def _recorded(step: _Step) -> Recorded:
    row, settlement, tried = step.row, step.settlement, step.outcome.tried
    relay_id = tried.relay_id if tried else row.relay_id
    return Recorded(step.outcome, row.app_id, relay_id, row.message_id, settlement["attempts"], settlement["due_at"])


def _affected(step: _Step) -> Affected:
    event_id = step.news.id if step.news else None
    return Affected(step.outcome, step.row.app_id, step.row.recipient, event_id)


def _news(outcome: Outcome, row: _Row, status: Status, settlement: dict[str, Any]) -> NewEvent | None:
    event_type = EVENT_OF_STATUS.get(status)
    if event_type is None or (status is Status.DEFERRED and not _makes_event(outcome, row)):
        return None
    data: dict[str, Any] = {
        **(outcome.report.data if outcome.report else {}),
        "message_id": row.message_id,
        "delivery_id": row.id,
        "recipient": row.recipient,
        "status": settlement["status"],
        "attempt": settlement["attempts"],
        "tags": msgspec.Raw(row.tags),
        "metadata": msgspec.Raw(row.metadata),
    }
    last_smtp = settlement["last_smtp"]
    if outcome.tried or (status is Status.EXPIRED and last_smtp):  # then the refusal is what prevented its delivery
        data["smtp"] = msgspec.Raw(last_smtp)
    if outcome.bounce:
        reported = outcome.report.recipient if outcome.report else None
        data["bounce"] = outcome.bounce.shown(reported or row.recipient)
    if outcome.why:
        data["reason"] = outcome.why
    return NewEvent(row.app_id, event_type, data, row.message_id, row.id)


def _makes_event(outcome: Outcome, row: _Row) -> bool:
    """Whether a deferral makes an event: the first one does, and each one with a new reason."""
    if row.last_smtp is None or outcome.tried is None or not row.attempts:
        return True  # a reason of our own for a claim without a result; no server said it
    before = _decode(row.last_smtp)
    return (before["stage"], before["code"], before["enhanced_code"]) != (
        outcome.tried.stage,
        outcome.tried.code,
        outcome.tried.enhanced_code,
    )
