"""Keep on a delivery that its sender wants it sent although the address is on the suppression list.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was asked for so far."""
    op.add_column("mailsvc_delivery", sa.Column("forced", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("mailsvc_delivery", "forced")
