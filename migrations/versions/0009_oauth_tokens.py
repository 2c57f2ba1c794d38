"""Access tokens of relays and mailboxes that log in with OAuth 2, and the lease of who renews them.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To a table for them."""
    op.create_table(
        "mailsvc_oauth_token",
        sa.Column("owner_id", sa.Text(), primary_key=True),
        sa.Column("secret", sa.Text()),
        sa.Column("obtained_at", sa.BigInteger()),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("renewing_until", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.Column("refused", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("retry_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """To accounts with passwords and fixed tokens."""
    op.drop_table("mailsvc_oauth_token")
