"""What follows from outcomes for the Sent folder of the relay's mailbox: look-ups of uncertain deliveries, copies to file.

The rows are written in the transaction that records the outcomes. A delivery that is looked up is ``deferred``, due when the
look-up is over at the latest: even if nobody looks, it is sent again.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from mailsvc import clock
from mailsvc.apps.sent_mailbox import NO_MAILBOX, sent_mailbox
from mailsvc.outcomes.outcome import Outcome, Try, smtp_json
from mailsvc.store.sent_tables import COPY, LOOKUP, sent_job

__all__ = ["FIRST_LOOK", "LOOK_FOR", "Recorded", "plan_jobs", "with_lookups"]

LOOK_FOR = 15 * clock.MINUTE
FIRST_LOOK = 2 * clock.SECOND
_LAST_LOOK = 10 * clock.SECOND  # so long before the delivery is due again
_FILE_FOR = 3 * clock.DAY


class Recorded(msgspec.Struct, frozen=True):
    """An outcome that was recorded, and what became of its delivery."""

    outcome: Outcome
    app_id: str
    relay_id: str
    message_id: str
    attempts: int
    due_at: int | None


def with_lookups(connection: Connection, outcomes: Sequence[Outcome], *, now: int) -> Sequence[Outcome]:
    """Return the outcomes; those that are to be verified say where their copies are looked for, or why they can't be."""
    relay_ids = {outcome.tried.relay_id for outcome in outcomes if outcome.verify and outcome.tried}
    if not relay_ids:
        return outcomes
    linked = {relay_id: sent_mailbox(connection, relay_id) for relay_id in relay_ids}
    return [_with_lookup(outcome, linked, now) for outcome in outcomes]


def plan_jobs(connection: Connection, recorded: Sequence[Recorded], *, now: int) -> None:
    """Store the look-ups of those that are to be verified, and copies for the others."""
    if recorded:
        rows = [_lookup(one, now) if one.outcome.verify else _copy(one, now) for one in recorded]
        insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
        # One copy for a message, whichever of its deliveries is sent first.
        connection.execute(insert(sent_job).on_conflict_do_nothing(), rows)


def _with_lookup(outcome: Outcome, linked: dict[str, Any], now: int) -> Outcome:
    tried = outcome.tried
    if not outcome.verify or tried is None:
        return outcome
    mailbox = linked[tried.relay_id]
    if mailbox is None:
        said = f"{tried.text}; its copy can't be looked for, because {NO_MAILBOX}"
        return msgspec.structs.replace(outcome, kept_by=_smtp(tried, said), verify=None)
    until = now + LOOK_FOR
    said = f"{tried.text}; its copy is looked for in the Sent folder of the mailbox {mailbox.name} until {clock.rfc3339(until)}"
    return msgspec.structs.replace(outcome, kept_by=_smtp(tried, said), due_at=until)


def _smtp(tried: Try, said: str) -> str:
    whole = json.loads(tried.smtp())
    return smtp_json(whole["stage"], whole["code"], whole["enhanced_code"], said, whole["host"])


def _lookup(one: Recorded, now: int) -> dict[str, Any]:
    until = max(now, (one.due_at or now) - _LAST_LOOK)
    return _row(one, f"{one.outcome.delivery_id}:{one.attempts}", LOOKUP, now) | {
        "delivery_id": one.outcome.delivery_id,
        "attempt": one.attempts,
        "sent_with": one.outcome.verify,
        "claim_token": one.outcome.lease_token,
        "due_at": min(now + FIRST_LOOK, until),
        "until": until,
    }


def _copy(one: Recorded, now: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("delivery_id", "attempt", "sent_with", "claim_token"))
    return _row(one, one.message_id, COPY, now) | nothing | {"due_at": now, "until": now + _FILE_FOR}


def _row(one: Recorded, id_: str, kind: str, now: int) -> dict[str, Any]:
    return {
        "id": id_,
        "kind": kind,
        "app_id": one.app_id,
        "relay_id": one.relay_id,
        "message_id": one.message_id,
        "status": "waiting",
        "created_at": now,
        "updated_at": now,
    }
