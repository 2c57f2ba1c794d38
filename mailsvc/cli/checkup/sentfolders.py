"""The Sent folders of every app: whether uncertain deliveries can be looked up in them, and copies filed."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from mailsvc import clock
from mailsvc.apps.sent_mailbox import NO_MAILBOX, sent_mailbox
from mailsvc.cli.checkup.finding import Finding, problem, warning, well
from mailsvc.cli.show import plural
from mailsvc.store.database import Database
from mailsvc.store.sent_tables import COPY, LOOKUP, sent_job
from mailsvc.store.tables import delivery, message, relay

__all__ = ["look_at_sent_folders"]

RECENT = 7 * clock.DAY


def look_at_sent_folders(database: Database) -> Iterator[Finding]:
    """Yield findings about the relays whose messages are looked for or filed in a Sent folder."""
    now = database.now()
    with database.read() as connection:
        verified = _verified_relays(connection)
        for row in connection.execute(select(relay).order_by(relay.c.id)).all():
            jobs = connection.execute(select(sent_job).where(*_of_interest(row.id, now)).limit(1000)).all()
            if row.id in verified or row.file_sent or jobs:
                yield _relay(connection, row, jobs)


def _verified_relays(connection: Connection) -> set[str]:
    """The relays of unfinished deliveries whose messages are to be looked for."""
    wanted = delivery.c.due_at.is_not(None) & (message.c.on_uncertain == "verify")
    query = select(delivery.c.relay_id).join(message, message.c.id == delivery.c.message_id).where(wanted)
    return set(connection.execute(query.distinct()).scalars())


def _of_interest(relay_id: str, now: int) -> tuple[Any, ...]:
    has_failed = sent_job.c.status.in_(("given_up", "unseen")) & (sent_job.c.updated_at > now - RECENT)
    return (sent_job.c.relay_id == relay_id, sent_job.c.due_at.is_not(None) | has_failed)


def _relay(connection: Connection, row: Any, jobs: Sequence[Any]) -> Finding:
    check = f"Sent folder of relay {row.name}"
    linked = sent_mailbox(connection, row.id)
    if linked is None:
        said = f"{NO_MAILBOX}: {'sent messages are not filed' if row.file_sent else 'on_uncertain: verify works as resend'}"
        return warning(check, said, f"set the field relay of a mailbox to {row.name!r}: see docs/mailboxes.md")
    given_up = [job for job in jobs if job.status == "given_up"]
    failing = [job for job in jobs if job.last_error and job.due_at is not None and job.kind == COPY]
    unseen = [job for job in jobs if job.status == "unseen"]
    if given_up or failing:
        said = f"{plural(len(given_up) + len(failing), 'sent message')} could not be filed: {(failing or given_up)[-1].last_error}"
        return problem(check, said, f"run mailsvc mailbox check '{linked.name}', or set sent_folder")
    if unseen:
        said = f"{plural(len(unseen), 'delivery', 'deliveries')} could not be looked up: {unseen[-1].last_error}"
        return problem(check, said, f"run mailsvc mailbox check '{linked.name}', or set sent_folder")
    waiting = sum(job.kind == LOOKUP for job in jobs)
    return well(check, f"is in the mailbox {linked.name}; {plural(waiting, 'delivery is', 'deliveries are')} looked up")
