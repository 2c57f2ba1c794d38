"""What arrived mails mean: their findings, the other Message-IDs of messages, and repeated soft bounces.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To arrivals with findings."""
    op.create_table(
        "mailsvc_other_message_id",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "identifier", "message_id", "delivery_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mailsvc_soft_bounce",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("bounced_at", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "address", "bounced_at", "delivery_id"),
        sqlite_with_rowid=False,
    )
    op.add_column("mailsvc_arrival", sa.Column("findings", sa.Text()))
    op.add_column("mailsvc_arrival", sa.Column("evidence", sa.Text()))
    for name in ("auto_reply", "forwarded"):
        op.add_column("mailsvc_arrival", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("mailsvc_arrival", sa.Column("recheck_at", sa.BigInteger()))
    is_rechecked = sa.text("recheck_at IS NOT NULL")
    op.create_index(
        "mailsvc_arrival_recheck",
        "mailsvc_arrival",
        ["recheck_at"],
        sqlite_where=is_rechecked,
        postgresql_where=is_rechecked,
    )


def downgrade() -> None:
    """To arrivals that are only stored."""
    op.drop_index("mailsvc_arrival_recheck", "mailsvc_arrival")
    for name in ("recheck_at", "forwarded", "auto_reply", "evidence", "findings"):
        op.drop_column("mailsvc_arrival", name)
    op.drop_table("mailsvc_soft_bounce")
    op.drop_table("mailsvc_other_message_id")
