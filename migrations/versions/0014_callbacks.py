"""The positions of callbacks in the feed.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To durable callbacks."""
    op.create_table(
        "mailsvc_callback",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("app_id", "name")),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("event_id", sa.Text()),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("retry_at", sa.BigInteger()),
        sa.Column("last_error", sa.Text()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("seen_at", "created_at", "updated_at")),
        sa.PrimaryKeyConstraint("app_id", "name"),
    )


def downgrade() -> None:
    """To webhooks and the feed only."""
    op.drop_table("mailsvc_callback")
