"""Let a message have a return path of its own.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The messages that are there go by their relay's."""
    op.add_column("mailsvc_message", sa.Column("return_path", sa.Text()))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("mailsvc_message", "return_path")
