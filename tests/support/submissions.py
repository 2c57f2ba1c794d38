"""An application that inserts its mails: rows of ``mailsvc_submission``, and the worker's part in the test's own process."""

import json
from typing import Any

from sqlalchemy import insert, select

from mailsvc.domain.ids import new_id
from mailsvc.outbox.submissions.rows import QueuedApp, Wanted, queued_apps
from mailsvc.outbox.submissions.take_up import Group, TakeUp
from mailsvc.store.database import Database
from mailsvc.store.submission_tables import submission
from tests.support.api import ApiHarness

__all__ = ["a_draft", "add", "errors_at", "rows_left", "take_all", "take_up_of"]


def a_draft(**members: Any) -> dict[str, Any]:
    """A draft that can be taken up."""
    return {"from": "shop@shop.test", "to": "ann@example.test", "subject": "Receipt", "text": "Thanks\n", **members}


def add(database: Database, draft: Any, *, app: str = "shop", **columns: Any) -> str:
    """Insert and commit a row. Returns its id."""
    id_ = columns.setdefault("id", new_id("msg"))
    text = draft if isinstance(draft, str | bytes) else json.dumps(draft)
    with database.write() as connection:
        connection.execute(insert(submission).values(draft=text, app=app, **columns))
    return str(id_)


def take_up_of(harness: ApiHarness, **options: Any) -> TakeUp:
    return TakeUp(harness.services.outbox.builder, **options)


def take_all(harness: ApiHarness, **options: Any) -> list[Group]:
    """One round: a group of every app."""
    take_up = take_up_of(harness, **options)
    with harness.database.read() as connection:
        apps = queued_apps(connection, after=None, limit=100)
    return [take_up.take_up(Wanted(app)) for app in apps if isinstance(app, QueuedApp)]


def rows_left(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(submission.c.id).order_by(submission.c.id)).scalars())


def errors_at(database: Database, id_: str) -> Any:
    """What the row's column ``errors`` says; None where it is NULL."""
    with database.read() as connection:
        said = connection.execute(select(submission.c.errors).where(submission.c.id == id_)).scalar_one()
    return None if said is None else json.loads(said)
