"""Mails as rows of ``mailsvc_submission``, in the transaction that is open on a database of Django's."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from mailsvc_sdk._ids import new_message_id
from mailsvc_sdk._sending.draft import canonical, draft
from mailsvc_sdk._sending.times import forbid_relative
from mailsvc_sdk.django._options import setting

__all__ = ["Row", "insert_rows", "row_of"]

Row = tuple[str, str, str, str | None]  # id, app, draft, idempotency_key


def row_of(message: Mapping[str, Any], handling: Mapping[str, Any]) -> Row:
    """Return the row of a message. Raises ValueError for what can't be said in a draft."""
    fields = dict(handling)
    key = fields.pop("idempotency_key", None)
    forbid_relative(fields, key)
    return new_message_id(), setting("APP") or "default", canonical(draft(message, fields)).decode(), key


def insert_rows(alias: str, rows: Sequence[Row]) -> None:
    """Insert the rows by one statement. Raises as the database does."""
    connection = connections[alias]
    if connection.vendor not in ("sqlite", "postgresql"):
        raise ImproperlyConfigured(f"mailsvc keeps its tables in SQLite or PostgreSQL, not in {connection.vendor}")
    schema = setting("SCHEMA")
    table = f'"{schema}".mailsvc_submission' if schema else "mailsvc_submission"
    marks = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (id, app, draft, idempotency_key) VALUES {marks}",  # noqa: S608 - the project's settings
            [value for row in rows for value in row],
        )
