"""The table into which applications insert (contract: ``mailsvc_submission``), and what stays of a row that was taken up.

The table is an interface: its columns, their defaults and the index are what applications of any language rely on. A row's
default id is a ULID made in SQL, because ids order lists: see ``domain.ids``.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement

from mailsvc.domain.ids import ALPHABET
from mailsvc.store.columns import id_column, instant_column, metadata, optional_text, text_column, where

__all__ = ["define_submission", "submission", "taken_submission"]

_MS_SQLITE = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_MS_POSTGRESQL = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_SHIFTS = range(45, -1, -5)  # 48 bits of milliseconds are ten digits


class _NewId(ColumnElement[str]):
    """``msg_``, ten digits of the time in milliseconds, and sixteen random hexadecimal digits."""

    inherit_cache = True


class _Now(ColumnElement[int]):
    """Microseconds since 1970."""

    inherit_cache = True


@compiles(_NewId, "sqlite")
def _(_element: Any, _compiler: Any, **_: Any) -> str:
    digits = " || ".join(f"substr('{ALPHABET}', (({_MS_SQLITE} >> {shift}) & 31) + 1, 1)" for shift in _SHIFTS)
    return f"('msg_' || {digits} || lower(hex(randomblob(8))))"


@compiles(_NewId, "postgresql")
def _(_element: Any, _compiler: Any, **_: Any) -> str:
    digits = " || ".join(f"substr('{ALPHABET}', (({_MS_POSTGRESQL} >> {shift}) & 31)::int + 1, 1)" for shift in _SHIFTS)
    return f"('msg_' || {digits} || substr(md5(gen_random_uuid()::text), 1, 16))"


@compiles(_Now, "sqlite")
def _(_element: Any, _compiler: Any, **_: Any) -> str:
    return f"({_MS_SQLITE} * 1000)"


@compiles(_Now, "postgresql")
def _(_element: Any, _compiler: Any, **_: Any) -> str:
    return "((extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"


def define_submission(metadata: MetaData, *, schema: str | None = None) -> Table:
    """Add the table to this metadata."""
    return Table(
        "mailsvc_submission",
        metadata,
        Column("id", Text, primary_key=True, server_default=_NewId()),
        Column("app", Text, nullable=False, server_default="default"),  # the app's name
        text_column("draft"),  # JSON, as of POST /v1/messages
        optional_text("idempotency_key"),
        Column("created_at", BigInteger, nullable=False, server_default=_Now()),
        optional_text("errors"),  # why it can't be taken up: JSON
        # Rows that were refused cost a claim nothing.
        Index("mailsvc_submission_waiting", "app", "id", **where("errors IS NULL")),
        schema=schema,
    )


submission = define_submission(metadata)

# A row for every submission that was taken up, as long as its message is kept: by it, a second one with the same id is
# recognised, and the id of one that repeated an idempotency key names the first one's message.
taken_submission = Table(
    "mailsvc_taken_submission",
    metadata,
    id_column(),
    text_column("app_id"),
    text_column("message_id"),
    text_column("digest"),  # of the draft
    instant_column("created_at"),
    Index("mailsvc_taken_submission_message", "message_id"),
)
