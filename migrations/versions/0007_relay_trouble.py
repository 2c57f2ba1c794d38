"""Keep a relay's trouble in the form in which deliveries show it, and what was learnt about the relay.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To columns without a value."""
    op.add_column("mailsvc_relay", sa.Column("last_smtp", sa.Text()))
    op.add_column("mailsvc_relay", sa.Column("learnt", sa.Text()))


def downgrade() -> None:
    """To a relay whose trouble is one line."""
    op.drop_column("mailsvc_relay", "learnt")
    op.drop_column("mailsvc_relay", "last_smtp")
