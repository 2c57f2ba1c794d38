"""How many submissions wait, how many can't be taken up, and for how long the oldest has waited."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from mailsvc import clock
from mailsvc.outbox.submissions.rows import IS_WAITING, QueuedApp, columns_of, is_of, queued_apps
from mailsvc.store.submission_tables import submission, taken_submission

__all__ = ["SubmissionFigures", "is_table_used", "look_at_submissions"]

MOST_APPS = 100  # whose first rows are looked at


@dataclass(frozen=True, slots=True)
class SubmissionFigures:
    """The table at this instant."""

    waiting: int
    rejected: int
    oldest_age: float  # seconds


def look_at_submissions(connection: Connection, now: int) -> SubmissionFigures:
    """Count the rows; each count is answered by an index alone."""
    count = select(func.count()).select_from(submission)
    waiting = connection.execute(count.where(IS_WAITING)).scalar_one()
    all_rows = connection.execute(count).scalar_one()
    return SubmissionFigures(waiting, max(0, all_rows - waiting), _oldest_age(connection, now) if waiting else 0.0)


def is_table_used(connection: Connection) -> bool:
    """Whether a program has ever inserted a submission that was taken up or stays."""
    tables = (submission, taken_submission)
    return any(connection.execute(select(table.c.id).limit(1)).first() is not None for table in tables)


def _oldest_age(connection: Connection, now: int) -> float:
    """By the first row of each app: ids begin with their time."""
    apps = queued_apps(connection, after=None, limit=MOST_APPS)
    times = [time for app in apps if (time := _first_time(connection, app)) is not None]
    return max(0.0, (now - min(times, default=now)) / clock.SECOND)


def _first_time(connection: Connection, app: QueuedApp) -> int | None:
    dialect = connection.dialect.name
    first = select(*columns_of(dialect)).where(IS_WAITING, is_of(app, dialect)).order_by(submission.c.id).limit(1)
    row = connection.execute(first).first()
    return None if row is None else row.created_at
