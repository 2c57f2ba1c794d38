"""What is still to be done to arrived mails on their server: marked as seen, moved, deleted."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, select

from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, mailbox_task

__all__ = ["Task", "drop_tasks", "open_tasks"]

AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to be done to one mail."""

    arrival_id: str
    action: str  # ``seen``, ``delete`` or ``move:FOLDER``
    uid: str  # as shown


def open_tasks(database: Database, mailbox_id: str, *, uids: str = "", besides: Collection[str] = ()) -> list[Task]:
    """Return the oldest tasks of a mailbox.

    Args:
        database: where they are.
        mailbox_id: whose.
        uids: how the UIDs begin that mean something in the session.
        besides: actions that can't be done now.
    """
    wanted = (
        select(mailbox_task.c.arrival_id, mailbox_task.c.action, arrival.c.uid)
        .join(arrival, arrival.c.id == mailbox_task.c.arrival_id)
        .where(mailbox_task.c.mailbox_id == mailbox_id, arrival.c.uid.startswith(uids))
        .where(mailbox_task.c.action.not_in(besides))
        .order_by(mailbox_task.c.arrival_id)
        .limit(AT_ONCE)
    )
    with database.read() as connection:
        return [Task(row.arrival_id, row.action, row.uid) for row in connection.execute(wanted)]


def drop_tasks(database: Database, arrival_ids: Collection[str]) -> None:
    """These are done, or their mails are gone."""
    if arrival_ids:
        with database.write() as connection:
            connection.execute(delete(mailbox_task).where(mailbox_task.c.arrival_id.in_(arrival_ids)))
