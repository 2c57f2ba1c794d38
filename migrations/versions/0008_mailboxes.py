"""Mailboxes, and what arrives in them.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To a service that reads mailboxes."""
    _create_mailboxes()
    _create_arrivals()
    op.add_column("mailsvc_event", sa.Column("mailbox_id", sa.Text()))
    is_there = sa.text("mailbox_id IS NOT NULL")
    op.create_index(
        "mailsvc_event_mailbox",
        "mailsvc_event",
        ["mailbox_id", "sequence"],
        unique=True,
        sqlite_where=is_there,
        postgresql_where=is_there,
    )


def downgrade() -> None:
    """To a service that only sends."""
    op.drop_index("mailsvc_event_mailbox", "mailsvc_event")
    op.drop_column("mailsvc_event", "mailbox_id")
    for name in ("mailbox_task", "arrival_body", "arrival", "mailbox_uid", "mailbox_cursor", "mailbox"):
        op.drop_table(f"mailsvc_{name}")


def _create_mailboxes() -> None:
    op.create_table(
        "mailsvc_mailbox",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text()),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("pause_reason", sa.Text()),
        sa.Column("failing", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failing_since", sa.BigInteger()),
        sa.Column("status_reason", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.Column("retry_at", sa.BigInteger()),
        sa.Column("last_read_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("app_id", "name"),
    )
    op.create_table(
        "mailsvc_mailbox_cursor",
        sa.Column("mailbox_id", sa.Text(), primary_key=True),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_token", sa.Integer(), nullable=False),
        sa.Column("leased_until", sa.BigInteger()),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("skipped_before", sa.BigInteger()),
        sa.Column("uidvalidity", sa.BigInteger()),
        sa.Column("last_uid", sa.BigInteger()),
        sa.Column("rescan_to", sa.BigInteger()),
    )
    op.create_table(
        "mailsvc_mailbox_uid",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "uid"),
        sqlite_with_rowid=False,
    )


def _create_arrivals() -> None:
    op.create_table(
        "mailsvc_arrival",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text()),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text()),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("sender", sa.Text()),
        sa.Column("recipients", sa.Text()),
        sa.Column("copied", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("date", sa.BigInteger()),
        sa.Column("header_message_id", sa.Text()),
        sa.Column("message_id", sa.Text()),
        sa.Column("delivery_id", sa.Text()),
        sa.Column("recipient", sa.Text()),
        sa.Column("error", sa.Text()),
    )
    op.create_index("mailsvc_arrival_list", "mailsvc_arrival", ["app_id", "id"])
    op.create_index("mailsvc_arrival_content", "mailsvc_arrival", ["mailbox_id", "digest"])
    _create_partial_index("mailsvc_arrival_new", "id", "kind IS NULL")
    _create_partial_index("mailsvc_arrival_message", "message_id", "message_id IS NOT NULL")
    op.create_table(
        "mailsvc_arrival_body",
        sa.Column("arrival_id", sa.Text(), primary_key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "mailsvc_mailbox_task",
        sa.Column("arrival_id", sa.Text(), primary_key=True),
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
    )
    op.create_index("mailsvc_mailbox_task_mailbox", "mailsvc_mailbox_task", ["mailbox_id"])


def _create_partial_index(name: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "mailsvc_arrival", [column], sqlite_where=where, postgresql_where=where)
