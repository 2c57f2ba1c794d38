"""Recovery after a crash: settles the deliveries of dead workers of this host from their journals, without waiting for leases.

What a journal says is judged as the reply of a live transaction is.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, select

from mailsvc import clock
from mailsvc.delivery.journal import Entry, OrphanedJournal, orphaned_journals, replies_of_others
from mailsvc.delivery.verdicts import Circumstances, Claim, given_back, outcome_of, transaction_of
from mailsvc.domain.attempt import Fate, Stage, Verdict
from mailsvc.domain.bounce import SoftBounceLimit
from mailsvc.domain.lifecycle import Status
from mailsvc.mime.refusal_meaning import is_about_count
from mailsvc.outcomes.outcome import Outcome
from mailsvc.outcomes.record import record
from mailsvc.smtp.trouble import fate_of
from mailsvc.store.database import Database
from mailsvc.store.leases import DueDelivery
from mailsvc.store.tables import delivery, message
from mailsvc.telemetry import facts, log

__all__ = ["settle_the_dead", "split_off_settled", "verdict_of"]

_LOST = "the connection and its worker were lost after the final dot, before the reply"


def settle_the_dead(database: Database, directory: Path, *, soft_bounces: SoftBounceLimit | None = None) -> list[str]:
    """Replay the journals of dead workers. Returns the ids of those workers."""
    owners = []
    for journal in orphaned_journals(directory):
        with database.write() as connection:
            outcomes = _outcomes(connection, journal, database.now())
            record(connection, outcomes, now=database.now(), soft_bounces=soft_bounces)
        journal.discard()
        owners.append(journal.owner)
        log.info("settled what a dead worker left", extra=facts(worker=journal.owner, deliveries=len(outcomes)))
    return owners


def split_off_settled(
    rows: list[DueDelivery], directory: Path, owner: str, now: int
) -> tuple[list[DueDelivery], list[Outcome]]:
    """Separate the rows whose previous worker got a reply but was frozen before it could record it.

    Returns:
        The rows that are to be sent, and the outcomes of the others.
    """
    if not any(row.uncertain for row in rows):
        return rows, []
    heard = replies_of_others(directory, owner)
    accepted = {claim[0]: entry for claim, entry in heard.items() if verdict_of(entry).fate is Fate.SENT}
    unsettled, outcomes = [], []
    for row in rows:
        entry = heard.get((row.id, row.lease_token - 1)) if row.uncertain else None
        if entry is None and row.uncertain and not row.attempts:
            # Claims without an attempt may lie in between. If no attempt is recorded, the journal's entry is not from
            # an earlier round, which bounced and was retried. A refusal would not cover the claims after it.
            entry = accepted.get(row.id)
        if entry is None:
            unsettled.append(row)
        else:
            outcomes.append(_outcome(entry, row, row.relay_id, now))
    return unsettled, outcomes


def verdict_of(entry: Entry) -> Verdict:
    """What a journal's entry means for each of its recipients (RFC 1047 where no reply is known)."""
    if entry.reply is None:
        return Verdict(Fate.UNCERTAIN, Stage.EOM, None, _LOST)
    fate = fate_of(Stage.EOM, entry.reply)
    if len(entry.claims) > 1 and is_about_count(entry.reply):
        fate = Fate.UNTRIED  # too many at once, and no recipient got it
    return Verdict(fate, Stage.EOM, entry.reply, entry.reply.text)


def _outcomes(connection: Connection, journal: OrphanedJournal, now: int) -> list[Outcome]:
    held = {row.id: row for row in connection.execute(_HELD, {"owner": journal.owner})}
    outcomes = []
    for entry in journal.entries:
        for delivery_id, token in entry.claims:
            row = held.get(delivery_id)
            if row is not None and row.lease_token == token:
                outcomes.append(_outcome(entry, row, row.relay_id, now, on_uncertain=row.on_uncertain))
                del held[delivery_id]
    return outcomes + _before_the_dot(journal, list(held.values()), now)


def _before_the_dot(journal: OrphanedJournal, rows: Sequence[Any], now: int) -> list[Outcome]:
    """Settle rows without a journal entry: not delivered, unless the machine lost power and with it the last lines."""
    if not journal.power_was_lost:
        return [given_back(row, now) for row in rows]
    blank = Entry([], "", "")
    return [_outcome(blank, row, row.relay_id, now, on_uncertain=row.on_uncertain) for row in rows]


def _outcome(entry: Entry, claim: Claim, relay_id: str, now: int, *, on_uncertain: str = "resend") -> Outcome:
    first = entry.claims[0] if entry.claims else (claim.id, claim.lease_token)
    seen = Circumstances(
        started_at=clock.now(),
        duration_ms=0.0,
        relay_id=relay_id,
        host=entry.host,
        tls=None,
        transaction=transaction_of(*first),
        recipients=len(entry.claims),
        on_uncertain=on_uncertain,
        now=lambda: now,
        chance=random.random(),  # noqa: S311 - jitter
    )
    return outcome_of(claim, verdict_of(entry), seen)


_HELD = (
    select(
        delivery.c.id,
        delivery.c.lease_token,
        delivery.c.attempts,
        message.c.on_uncertain,
        message.c.relay_id,
    )
    .join(message, message.c.id == delivery.c.message_id)
    .where(
        delivery.c.due_at.is_not(None),
        delivery.c.status == Status.SENDING.value,
        delivery.c.lease_owner == bindparam("owner"),
    )
)
