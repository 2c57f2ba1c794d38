"""The table of OAuth tokens; see ``tables`` for the form of tables. Only ``apps.oauth_tokens`` writes it."""

from sqlalchemy import Boolean, Column, Table, Text, false

from mailsvc.store.columns import Instant, instant_column, metadata, optional_text

__all__ = ["oauth_token"]

# Of one relay or mailbox: its access token, and the refresh token that its last renewal gave.
oauth_token = Table(
    "mailsvc_oauth_token",
    metadata,
    Column("owner_id", Text, primary_key=True),
    optional_text("secret"),
    Column("obtained_at", Instant),
    Column("expires_at", Instant),
    Column("renewing_until", Instant),  # the lease of who asks for the next one
    optional_text("error"),  # of the last renewal, if it failed
    Column("refused", Boolean, nullable=False, server_default=false()),  # only a person can end the error
    Column("retry_at", Instant),  # no renewal before
    instant_column("created_at"),
    instant_column("updated_at"),
)
