"""Submissions by INSERT: the table that applications write, and what stays of its rows.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_MS_SQLITE = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_MS_POSTGRESQL = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_TRIGGER = (
    """
    CREATE FUNCTION mailsvc_submission_notify() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('mailsvc', 'submission'); RETURN NULL; END $$
    """,
    """
    CREATE TRIGGER mailsvc_submission_notify AFTER INSERT OR UPDATE ON mailsvc_submission
    FOR EACH STATEMENT EXECUTE FUNCTION mailsvc_submission_notify()
    """,
)


def upgrade() -> None:
    """To submissions by INSERT."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "mailsvc_submission",
        sa.Column("id", sa.Text(), primary_key=True, server_default=sa.text(_new_id(is_sqlite=is_sqlite))),
        sa.Column("app", sa.Text(), nullable=False, server_default="default"),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False, server_default=sa.text(_now(is_sqlite=is_sqlite))),
        sa.Column("errors", sa.Text()),
    )
    is_waiting = sa.text("errors IS NULL")
    op.create_index(
        "mailsvc_submission_waiting",
        "mailsvc_submission",
        ["app", "id"],
        sqlite_where=is_waiting,
        postgresql_where=is_waiting,
    )
    op.create_table(
        "mailsvc_taken_submission",
        sa.Column("id", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("app_id", "message_id", "digest")),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("mailsvc_taken_submission_message", "mailsvc_taken_submission", ["message_id"])
    for statement in () if is_sqlite else _TRIGGER:
        op.execute(statement)


def downgrade() -> None:
    """To submissions by HTTP only."""
    op.drop_table("mailsvc_taken_submission")
    op.drop_table("mailsvc_submission")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION mailsvc_submission_notify()")


def _new_id(*, is_sqlite: bool) -> str:
    """A ULID in lower case, in SQL."""
    ms, cast = (_MS_SQLITE, "") if is_sqlite else (_MS_POSTGRESQL, "::int")
    chance = "lower(hex(randomblob(8)))" if is_sqlite else "substr(md5(gen_random_uuid()::text), 1, 16)"
    digits = " || ".join(f"substr('{_DIGITS}', (({ms} >> {n}) & 31){cast} + 1, 1)" for n in range(45, -1, -5))
    return f"('msg_' || {digits} || {chance})"


def _now(*, is_sqlite: bool) -> str:
    """Microseconds since 1970."""
    return f"({_MS_SQLITE} * 1000)" if is_sqlite else "((extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
