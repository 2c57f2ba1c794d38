"""The tables of mailboxes and of what arrives in them; see ``tables`` for their form.

``mailbox`` is what an application configures and sees; ``mailbox_cursor`` is what the reader remembers, and its lease. The
reader commits an arrival, its raw form, the cursor and what is to be done to the mail on the server in one transaction.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from mailsvc.store.columns import (
    Instant,
    id_column,
    instant_column,
    metadata,
    optional_text,
    text_column,
    where,
    where_not_null,
)

__all__ = ["arrival", "arrival_body", "mailbox", "mailbox_cursor", "mailbox_task", "mailbox_uid"]

mailbox = Table(
    "mailsvc_mailbox",
    metadata,
    id_column(),
    text_column("app_id"),
    text_column("name"),
    text_column("config"),
    optional_text("secret"),
    Column("enabled", Boolean, nullable=False),
    Column("managed", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    optional_text("pause_reason"),
    Column("failing", Boolean, nullable=False, server_default=false()),  # mailbox.failing was emitted
    Column("failures", Integer, nullable=False, server_default="0"),  # sessions in a row
    Column("failing_since", Instant),  # the first of them
    optional_text("status_reason"),
    optional_text("last_error"),
    Column("retry_at", Instant),
    Column("last_read_at", Instant),
    instant_column("created_at"),
    instant_column("updated_at"),
    UniqueConstraint("app_id", "name"),
)

mailbox_cursor = Table(
    "mailsvc_mailbox_cursor",
    metadata,
    Column("mailbox_id", Text, primary_key=True),
    optional_text("lease_owner"),
    Column("lease_token", Integer, nullable=False),
    Column("leased_until", Instant),
    Column("started_at", Instant),  # the first successful look
    Column("skipped_before", Instant),  # mails up to this INTERNALDATE were there before it, and are not read
    Column("uidvalidity", BigInteger),
    Column("last_uid", BigInteger),
    Column("rescan_to", BigInteger),  # after a change of UIDVALIDITY: up to this UID, mails may be stored already
)

# POP3's memory: how many mails with this unique-id (or digest) were seen.
mailbox_uid = Table(
    "mailsvc_mailbox_uid",
    metadata,
    text_column("mailbox_id"),
    text_column("uid"),
    Column("copies", Integer, nullable=False),
    PrimaryKeyConstraint("mailbox_id", "uid"),
    sqlite_with_rowid=False,
)

arrival = Table(
    "mailsvc_arrival",
    metadata,
    id_column(),
    text_column("app_id"),
    text_column("mailbox_id"),
    text_column("folder"),
    optional_text("uid"),
    text_column("digest"),  # of the raw form
    Column("size", BigInteger, nullable=False),
    Column("truncated", Boolean, nullable=False),
    instant_column("received_at"),
    # All below are NULL until the mail is classified.
    optional_text("kind"),
    Column("tries", Integer, nullable=False, server_default="0"),  # to classify it after a crash
    optional_text("sender"),
    optional_text("recipients"),
    optional_text("copied"),
    optional_text("subject"),
    Column("date", Instant),
    optional_text("header_message_id"),
    optional_text("message_id"),  # of the message of ours that it is about
    optional_text("delivery_id"),
    optional_text("recipient"),
    optional_text("findings"),  # JSON
    optional_text("evidence"),  # JSON
    Column("auto_reply", Boolean, nullable=False, server_default=false()),
    Column("forwarded", Boolean, nullable=False, server_default=false()),
    optional_text("error"),
    Column("recheck_at", Instant),  # it is about a delivery that is not sent yet: nothing was emitted
    Index("mailsvc_arrival_list", "app_id", "id"),
    Index("mailsvc_arrival_content", "mailbox_id", "digest"),
    Index("mailsvc_arrival_new", "id", **where("kind IS NULL")),
    Index("mailsvc_arrival_recheck", "recheck_at", **where_not_null("recheck_at")),
    Index("mailsvc_arrival_message", "message_id", **where_not_null("message_id")),
)

arrival_body = Table(
    "mailsvc_arrival_body",
    metadata,
    Column("arrival_id", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# What is to be done to an arrived mail on its server, for each arrival at most one thing.
mailbox_task = Table(
    "mailsvc_mailbox_task",
    metadata,
    Column("arrival_id", Text, primary_key=True),
    text_column("mailbox_id"),
    text_column("action"),
    Index("mailsvc_mailbox_task_mailbox", "mailbox_id"),
)
