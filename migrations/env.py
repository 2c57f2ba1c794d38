"""Alembic's environment: runs on the connection that mailsvc hands in (see ``mailsvc.store.migrate``)."""

from alembic import context

import mailsvc.store.callback_tables
import mailsvc.store.mailbox_tables
import mailsvc.store.oauth_tables
import mailsvc.store.sent_tables
import mailsvc.store.submission_tables
import mailsvc.store.tables  # noqa: F401 - all fill the metadata
from mailsvc.store.columns import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table="mailsvc_alembic_version",
    transaction_per_migration=False,
)
context.run_migrations()
