"""After a crash: settle what dead workers of this host left behind, by their journals, without waiting for their leases."""

import random
from pathlib import Path

from sqlalchemy import Connection, select

from mailsvc import clock
from mailsvc.delivery.journal import Entry, OrphanedJournal, orphaned_journals
from mailsvc.domain.attempt import Fate, Reply, Stage
from mailsvc.domain.backoff import next_attempt
from mailsvc.domain.lifecycle import Change, Status
from mailsvc.mime.smtp_status import is_about_count, meaning_of
from mailsvc.outcomes.record import Bounce, Outcome, Try, record
from mailsvc.smtp.trouble import fate_of
from mailsvc.store.database import Database
from mailsvc.store.tables import delivery, message
from mailsvc.telemetry import facts, log

__all__ = ["settle_the_dead", "told_by", "was_accepted"]

_LOST = "the connection and its worker were lost after the final dot, before the reply"


def settle_the_dead(database: Database, directory: Path) -> list[str]:
    """Replay the journals of dead workers. Returns the ids of those workers."""
    owners = []
    for orphaned_journal in orphaned_journals(directory):
        with database.write() as connection:
            outcomes = _outcomes(connection, orphaned_journal, database.now())
            record(connection, outcomes, now=database.now())
        orphaned_journal.discard()
        owners.append(orphaned_journal.owner)
        log.info(
            "settled what a dead worker left",
            extra=facts(worker=orphaned_journal.owner, deliveries=len(outcomes)),
        )
    return owners


def _outcomes(connection: Connection, orphaned_journal: OrphanedJournal, now: int) -> list[Outcome]:
    columns = (
        delivery.c.id,
        delivery.c.lease_token,
        delivery.c.attempts,
        message.c.on_uncertain,
        message.c.relay_id,
    )
    held = {
        row.id: row
        for row in connection.execute(
            select(*columns)
            .join(message, message.c.id == delivery.c.message_id)
            .where(
                delivery.c.due_at.is_not(None),
                delivery.c.status == Status.SENDING.value,
                delivery.c.lease_owner == orphaned_journal.owner,
            )
        )
    }
    outcomes = []
    for entry in orphaned_journal.entries:
        for delivery_id, token in entry.claims:
            row = held.get(delivery_id)
            if row is not None and row.lease_token == token:
                outcomes.append(told_by(entry, held.pop(delivery_id), now))
    # Never at the dot: certainly not delivered by this claim, unless the machine lost the journal's last lines with its power.
    blank = Entry([], "", "")
    outcomes += [
        told_by(blank, row, now) if orphaned_journal.power_was_lost else _back(row, now) for row in held.values()
    ]
    return outcomes


def _back(row: object, now: int) -> Outcome:
    return Outcome(row.id, Change.RETURN, row.lease_token, due_at=now)  # type: ignore[attr-defined]


def told_by(entry: Entry, row: object, now: int) -> Outcome:
    """What a journal's entry means for the delivery of this row: its ``id``, ``lease_token``, ``attempts``, ``relay_id``."""
    id_, token = row.id, row.lease_token  # type: ignore[attr-defined]
    fate = _fate(entry.reply)
    if entry.reply is not None and len(entry.claims) > 1 and is_about_count(entry.reply):
        return _back(row, now)  # they were too many at once, and nobody got it
    tried = Try(
        started_at=clock.now(),
        duration_ms=0.0,
        stage=Stage.EOM.value,
        code=entry.reply.code if entry.reply else None,
        enhanced_code=entry.reply.enhanced_code if entry.reply else None,
        text=entry.reply.text if entry.reply else _LOST,
        relay_id=row.relay_id,  # type: ignore[attr-defined]
        host=entry.host,
        tls=None,
        outcome=fate.value,
    )
    if fate is Fate.SENT:
        return Outcome(id_, Change.SENT, token, tried)
    if fate is Fate.BOUNCED:
        meaning = meaning_of(Stage.EOM, entry.reply, tried.text, recipients=len(entry.claims))
        return Outcome(id_, Change.BOUNCE, token, tried, Bounce(meaning.type, meaning.reason, "smtp"))
    if fate is Fate.UNCERTAIN and row.on_uncertain == "hold":  # type: ignore[attr-defined]
        return Outcome(id_, Change.GIVE_UP, token, tried)
    attempts: int = row.attempts + 1  # type: ignore[attr-defined]
    return Outcome(
        id_,
        Change.DEFER,
        token,
        tried,
        due_at=next_attempt(attempts, now=now, chance=random.random()),  # noqa: S311 - jitter
    )


def was_accepted(entry: Entry) -> bool:
    """Whether the relay took what this entry is about."""
    return _fate(entry.reply) is Fate.SENT


def _fate(reply: Reply | None) -> Fate:
    if reply is None:
        return Fate.UNCERTAIN
    return fate_of(Stage.EOM, reply)
