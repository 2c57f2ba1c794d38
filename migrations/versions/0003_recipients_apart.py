"""Keep who was sent what apart from the deliveries, whose every change had to be noted in the index over addresses.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From what the deliveries say."""
    op.create_table(
        "mailsvc_recipient",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "address", "message_id"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # What others are about to commit would be missed. On SQLite nobody else writes meanwhile.
        op.execute("LOCK TABLE mailsvc_delivery IN SHARE ROW EXCLUSIVE MODE")
    op.execute(
        "INSERT INTO mailsvc_recipient (app_id, address, message_id) "
        "SELECT DISTINCT app_id, lower(recipient), message_id FROM mailsvc_delivery"
    )
    op.drop_index("mailsvc_delivery_recipient", table_name="mailsvc_delivery")


def downgrade() -> None:
    """To the index."""
    op.create_index("mailsvc_delivery_recipient", "mailsvc_delivery", ["app_id", "recipient"])
    op.drop_table("mailsvc_recipient")
