"""The tables, all prefixed ``mailsvc_`` since they may live in an application's own database.

Instants are BIGINT microseconds since the epoch (see ``clock``), identifiers are text with a prefix, JSON is compact
text. What claims touch (``delivery``, ``webhook_delivery``) is narrow and apart from what they send; every index that a
claim reads is partial over unfinished rows, so that ten million finished ones cost it nothing.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
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
    Position,
    id_column,
    instant_column,
    metadata,
    optional_text,
    text_column,
    where_not_null,
)

app = Table(
    "mailsvc_app",
    metadata,
    id_column(),
    text_column("name"),
    instant_column("created_at"),
    instant_column("updated_at"),
    UniqueConstraint("name"),
)

api_key = Table(
    "mailsvc_api_key",
    metadata,
    id_column(),
    text_column("app_id"),
    text_column("name"),
    text_column("digest"),
    text_column("scopes"),
    text_column("networks"),
    instant_column("created_at"),
    instant_column("updated_at"),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    UniqueConstraint("digest"),
)

relay = Table(
    "mailsvc_relay",
    metadata,
    id_column(),
    text_column("app_id"),
    text_column("name"),
    text_column("config"),
    optional_text("secret"),
    Column("enabled", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("managed", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    optional_text("pause_reason"),
    Column("file_sent", Boolean, nullable=False, server_default=false()),  # read for every sent delivery
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("retry_at", Instant),
    optional_text("last_error"),
    optional_text("last_smtp"),  # the reply shown as the reason for waiting deliveries, while the relay backs off
    optional_text("learnt"),  # the limits that it showed
    instant_column("created_at"),
    instant_column("updated_at"),
    UniqueConstraint("app_id", "name"),
)

message = Table(
    "mailsvc_message",
    metadata,
    id_column(),
    text_column("app_id"),
    text_column("message_id"),
    text_column("sender"),
    text_column("envelope_sender"),
    optional_text("return_path"),  # for this message, instead of the relay's
    optional_text("subject"),
    text_column("relay_id"),
    Column("size", Integer, nullable=False),
    Column("smtputf8", Boolean, nullable=False),
    Column("eight_bit", Boolean, nullable=False),
    Column("priority", Integer, nullable=False),
    text_column("on_uncertain"),
    Column("delivery_receipt", Boolean, nullable=False),
    Column("scheduled_at", Instant),
    instant_column("expires_at"),
    text_column("tags"),
    text_column("metadata"),
    text_column("submitted"),
    instant_column("created_at"),
    Index("mailsvc_message_list", "app_id", "id"),
)

body = Table(
    "mailsvc_message_body",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# The recipients, for searches by address (stored in lower case). A separate table, because its rows never change: as an
# index of ``delivery``, PostgreSQL would write to a random page of it at every change of a delivery's state.
recipient = Table(
    "mailsvc_recipient",
    metadata,
    text_column("app_id"),
    text_column("address"),
    text_column("message_id"),
    PrimaryKeyConstraint("app_id", "address", "message_id"),
    sqlite_with_rowid=False,
)

delivery = Table(
    "mailsvc_delivery",
    metadata,
    id_column(),
    text_column("message_id"),
    text_column("app_id"),
    text_column("relay_id"),
    text_column("recipient"),
    text_column("kind"),
    text_column("status"),
    Column("due_at", Instant),
    Column("expires_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("lease_token", Integer, nullable=False),
    optional_text("lease_owner"),
    Column("uncertain", Boolean, nullable=False),
    Column("forced", Boolean, nullable=False, server_default=false()),  # sent despite a suppression
    optional_text("last_smtp"),
    instant_column("created_at"),
    instant_column("updated_at"),
    Index("mailsvc_delivery_message", "message_id"),
    # NULL in these columns means finished: a claim never reads finished rows.
    Index("mailsvc_delivery_due", "relay_id", "due_at", **where_not_null("due_at")),
    Index("mailsvc_delivery_expiry", "expires_at", **where_not_null("expires_at")),
)

attempt = Table(
    "mailsvc_attempt",
    metadata,
    text_column("delivery_id"),
    Column("number", Integer, nullable=False),
    instant_column("started_at"),
    Column("duration_ms", Float, nullable=False),
    text_column("stage"),
    Column("code", Integer),
    optional_text("enhanced_code"),
    text_column("text"),
    text_column("relay_id"),
    text_column("host"),
    optional_text("tls"),
    text_column("outcome"),
    PrimaryKeyConstraint("delivery_id", "number"),
    sqlite_with_rowid=False,
)

event = Table(
    "mailsvc_event",
    metadata,
    Column("position", Position, primary_key=True, autoincrement=True),
    text_column("id"),
    text_column("app_id"),
    text_column("type"),
    optional_text("message_id"),
    optional_text("delivery_id"),
    optional_text("mailbox_id"),  # of events about arrivals, whose sequence counts in their mailbox
    Column("sequence", Integer),
    instant_column("created_at"),
    text_column("body"),
    UniqueConstraint("id"),
    Index("mailsvc_event_feed", "app_id", "position"),
    Index("mailsvc_event_message", "message_id", "sequence", unique=True, **where_not_null("message_id")),
    Index("mailsvc_event_mailbox", "mailbox_id", "sequence", unique=True, **where_not_null("mailbox_id")),
)

webhook = Table(
    "mailsvc_webhook",
    metadata,
    id_column(),
    text_column("app_id"),
    text_column("url"),
    text_column("events"),
    optional_text("description"),
    optional_text("ca_pem"),
    Column("enabled", Boolean, nullable=False),
    Column("managed", Boolean, nullable=False),
    text_column("secret"),
    optional_text("old_secret"),
    Column("old_secret_until", Instant),
    Column("failing_since", Instant),
    optional_text("disabled_reason"),
    instant_column("created_at"),
    instant_column("updated_at"),
    Index("mailsvc_webhook_app", "app_id"),
)

webhook_delivery = Table(
    "mailsvc_webhook_delivery",
    metadata,
    text_column("webhook_id"),
    text_column("event_id"),
    text_column("status"),
    Column("due_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("lease_token", Integer, nullable=False),
    optional_text("lease_owner"),
    Column("status_code", Integer),
    optional_text("error"),
    optional_text("response"),
    Column("duration_ms", Float),
    instant_column("created_at"),
    instant_column("updated_at"),
    PrimaryKeyConstraint("webhook_id", "event_id"),
    Index("mailsvc_webhook_delivery_due", "webhook_id", "due_at", **where_not_null("due_at")),
    sqlite_with_rowid=False,
)

suppression = Table(
    "mailsvc_suppression",
    metadata,
    id_column(),
    text_column("app_id"),
    text_column("address"),
    text_column("reason"),
    text_column("tag"),  # "" means every message
    optional_text("note"),
    optional_text("event_id"),
    instant_column("created_at"),
    instant_column("updated_at"),
    UniqueConstraint("app_id", "address", "tag"),
)

# The Message-IDs of a message other than the one that is made from its id: the application's own, and those by which
# relays replace ours (each delivery may get another one).
other_message_id = Table(
    "mailsvc_other_message_id",
    metadata,
    text_column("app_id"),
    text_column("identifier"),  # without angle brackets; or its local part
    text_column("message_id"),
    text_column("delivery_id"),  # "" for all of them
    PrimaryKeyConstraint("app_id", "identifier", "message_id", "delivery_id"),
    sqlite_with_rowid=False,
)

# Bounces because of a full mailbox: many of them within some days suppress the address.
soft_bounce = Table(
    "mailsvc_soft_bounce",
    metadata,
    text_column("app_id"),
    text_column("address"),  # in lower case
    instant_column("bounced_at"),
    text_column("delivery_id"),
    PrimaryKeyConstraint("app_id", "address", "bounced_at", "delivery_id"),
    sqlite_with_rowid=False,
)

idempotency = Table(
    "mailsvc_idempotency",
    metadata,
    text_column("app_id"),
    text_column("key"),
    text_column("fingerprint"),
    Column("status", Integer, nullable=False),
    text_column("response"),
    instant_column("created_at"),
    PrimaryKeyConstraint("app_id", "key"),
    Index("mailsvc_idempotency_age", "created_at"),
)

# Messages that were submitted with ``store: false`` and whose content is still there.
passing_content = Table("mailsvc_passing_content", metadata, Column("message_id", Text, primary_key=True))

worker = Table(
    "mailsvc_worker",
    metadata,
    id_column(),
    text_column("host"),
    Column("pid", Integer, nullable=False),
    text_column("roles"),
    instant_column("started_at"),
    instant_column("seen_at"),
    text_column("stats"),
)
