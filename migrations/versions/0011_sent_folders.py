"""Work in Sent folders: look-ups of uncertain deliveries, and copies of sent messages.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To relays whose messages may be filed, and the jobs."""
    op.add_column("mailsvc_relay", sa.Column("file_sent", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "mailsvc_sent_job",
        sa.Column("id", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "app_id", "relay_id", "message_id")),
        sa.Column("delivery_id", sa.Text()),
        sa.Column("attempt", sa.Integer()),
        sa.Column("sent_with", sa.Text()),
        sa.Column("claim_token", sa.Integer()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("until", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False, server_default="0") for name in ("tries", "lease_token")),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("may_be_filed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("last_error", sa.Text()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("created_at", "updated_at")),
    )
    is_unfinished = sa.text("due_at IS NOT NULL")
    op.create_index(
        "mailsvc_sent_job_due",
        "mailsvc_sent_job",
        ["relay_id", "due_at"],
        sqlite_where=is_unfinished,
        postgresql_where=is_unfinished,
    )
    op.create_index("mailsvc_sent_job_message", "mailsvc_sent_job", ["message_id"])


def downgrade() -> None:
    """To relays without copies."""
    op.drop_table("mailsvc_sent_job")
    op.drop_column("mailsvc_relay", "file_sent")
