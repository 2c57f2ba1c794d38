"""Actions on the deliveries of a message: cancel, retry, hold, release."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from mailsvc import clock
from mailsvc.apps.suppressions import read_suppressions
from mailsvc.domain.errors import Conflict, FieldError, Invalid
from mailsvc.domain.lifecycle import Change, Status
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.record import record
from mailsvc.outcomes.reschedule import span_of
from mailsvc.store.tables import body, delivery, message

__all__ = ["EVERYBODY", "Choice", "apply_change"]

_SPARED = 'its recipient is on the suppression list; send {"force": true} to try it all the same'
_REFUSAL = {
    Change.CANCEL: "can't be canceled any more",
    Change.HOLD: "can't be held any more",
    Change.RELEASE: "is not held",
    Change.RETRY: "can't be tried again",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which deliveries of a message are meant.

    Args:
        force: retry also the recipients that are on the suppression list.
        recipients: their addresses, in any case; none means all.
    """

    force: bool = False
    recipients: Sequence[str] = ()


EVERYBODY = Choice()


def apply_change(
    connection: Connection, message_id: str, change: Change, *, now: int, choice: Choice = EVERYBODY
) -> list[dict[str, Any]]:
    """Apply a change to every delivery of a message that allows it.

    Returns:
        One entry a delivery: ``{"id", "recipient", "status", "changed", "detail"}``.

    Raises:
        Conflict: not one delivery allows it.
        Invalid: one of the chosen recipients is none of the message's.
    """
    chosen = _chosen(connection, message_id, choice.recipients)
    spared: set[str] = set()
    if change is Change.RETRY:
        _require_content(connection, message_id)
        spared = _spared(connection, message_id, chosen, force=choice.force)
        _begin_anew(connection, message_id, now)
    due_at = _due_at(connection, message_id, change, now)
    step = Change.POSTPONE if change is Change.RELEASE and due_at and due_at > now else change
    outcomes = [Outcome(id_, step, due_at=due_at) for id_ in chosen if id_ not in spared]
    changed = record(connection, outcomes, now=now)
    answer = []
    for row in connection.execute(select(delivery).where(delivery.c.id.in_(chosen)).order_by(delivery.c.id)):
        done = row.id in changed
        detail = None if done else _SPARED if row.id in spared else _explain(change, row.status)
        answer.append(
            {
                "id": row.id,
                "recipient": row.recipient,
                "status": row.status,
                "changed": done,
                "detail": detail,
            }
        )
    if not changed:
        raise Conflict(
            "; ".join(sorted({entry["detail"] for entry in answer if entry["detail"]})) or "nothing to change"
        )
    return answer


def _require_content(connection: Connection, message_id: str) -> None:
    if connection.execute(select(body.c.message_id).where(body.c.message_id == message_id)).first() is None:
        raise Conflict("the content of this message was not stored (store: false), so it can't be sent again")


def _spared(connection: Connection, message_id: str, chosen: Sequence[str], *, force: bool) -> set[str]:
    """The deliveries to suppressed recipients; with ``force`` none, and they are marked to be sent all the same."""
    tags = json.loads(connection.execute(select(message.c.tags).where(message.c.id == message_id)).scalar_one())
    rows = list(connection.execute(select(delivery).where(delivery.c.id.in_(chosen))))
    listed = read_suppressions(connection, ((row.app_id, row.recipient) for row in rows))
    found = {row.id for row in rows if not row.forced and listed.covers(row.app_id, row.recipient, tags)}
    if not force:
        return found
    connection.execute(update(delivery).where(delivery.c.id.in_(found)).values(forced=True))
    return set()


def _explain(change: Change, status: str) -> str:
    if status == Status.SENDING:
        return "a delivery that is being sent can't be recalled; see what becomes of it in a moment"
    return f"a delivery that is {status} {_REFUSAL[change]}"


def _chosen(connection: Connection, message_id: str, recipients: Sequence[str]) -> list[str]:
    """The ids of the deliveries to these recipients. Raises Invalid."""
    rows = connection.execute(select(delivery.c.id, delivery.c.recipient).where(delivery.c.message_id == message_id))
    ids = {row.recipient.lower(): row.id for row in rows}
    wanted = [address.lower() for address in recipients]
    if unknown := [n for n, address in enumerate(wanted) if address not in ids]:
        raise Invalid(*(FieldError(f"recipients.{n}", "is no recipient of this message") for n in unknown))
    return [ids[address] for address in dict.fromkeys(wanted)] if wanted else list(ids.values())


def _due_at(connection: Connection, message_id: str, change: Change, now: int) -> int | None:
    if change is Change.RELEASE:
        scheduled_at = connection.execute(select(message.c.scheduled_at).where(message.c.id == message_id)).scalar()
        return max(now, scheduled_at or now)  # a message that was held and released is still not sent before its time
    return now if change is Change.RETRY else None


def _begin_anew(connection: Connection, message_id: str, now: int) -> None:
    """Clear a future scheduled time, and give an expired message its original lifetime again."""
    facts = connection.execute(select(message).where(message.c.id == message_id)).one()
    values: dict[str, Any] = {}
    if facts.scheduled_at is not None and facts.scheduled_at > now:
        values["scheduled_at"] = None
    if facts.expires_at <= now:
        values["expires_at"] = now + span_of(facts) * clock.SECOND
    if values:
        connection.execute(update(message).where(message.c.id == message_id).values(**values))
