"""Let a webhook have CAs of its own.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The webhooks that are there go by the system's."""
    op.add_column("mailsvc_webhook", sa.Column("ca_pem", sa.Text()))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("mailsvc_webhook", "ca_pem")
