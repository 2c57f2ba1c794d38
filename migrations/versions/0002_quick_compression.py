"""Compress bodies by LZ4 where PostgreSQL has it: a third of what accepting a message cost the server was its own pglz.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bodies that are stored already stay as they are."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "DO $$ BEGIN "
            "ALTER TABLE mailsvc_message_body ALTER COLUMN content SET COMPRESSION lz4; "
            "EXCEPTION WHEN feature_not_supported THEN NULL; "  # built without it
            "END $$"
        )


def downgrade() -> None:
    """To the server's own default."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE mailsvc_message_body ALTER COLUMN content SET COMPRESSION default")
