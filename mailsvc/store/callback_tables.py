"""The positions of callbacks in the feed; see ``tables`` for its form."""

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table

from mailsvc.store.columns import Instant, instant_column, metadata, optional_text, text_column

__all__ = ["callback"]

callback = Table(
    "mailsvc_callback",
    metadata,
    text_column("app_id"),
    text_column("name"),
    Column("position", BigInteger, nullable=False),  # of the last event that was handled, or passed over
    Column("lease_token", Integer, nullable=False, server_default="0"),
    optional_text("lease_owner"),  # the worker that calls the handler
    Column("lease_until", Instant, nullable=False, server_default="0"),
    optional_text("event_id"),  # the event that the handler failed at
    Column("tries", Integer, nullable=False, server_default="0"),  # of this event
    Column("retry_at", Instant),
    optional_text("last_error"),
    instant_column("seen_at"),  # a process had this callback
    instant_column("created_at"),
    instant_column("updated_at"),
    PrimaryKeyConstraint("app_id", "name"),
)
