"""Messages whose content is removed as soon as nothing more is to be sent.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To a list of them."""
    op.create_table("mailsvc_passing_content", sa.Column("message_id", sa.Text(), primary_key=True))


def downgrade() -> None:
    """To contents that stay."""
    op.drop_table("mailsvc_passing_content")
