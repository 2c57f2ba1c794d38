"""The tables, all prefixed ``mailsvc_`` since they may live in an application's own database.

Instants are BIGINT microseconds since the epoch (see ``clock``), identifiers are text with a prefix, JSON is compact
text. What claims touch (``delivery``, ``webhook_delivery``) is narrow and apart from what they send; every index that a
claim reads is partial over unfinished rows, so that ten million finished ones cost it nothing.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData()

Instant = BigInteger
# SQLite assigns increasing numbers only to a column of exactly this type.
Position = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _maybe(name: str) -> Column[str]:
    return Column(name, Text)


def _at(name: str) -> Column[int]:
    return Column(name, Instant, nullable=False)


def _where_not_null(column: str) -> dict[str, Any]:
    """Of a partial index."""
    condition = text(f"{column} IS NOT NULL")
    return {"sqlite_where": condition, "postgresql_where": condition}


app = Table(
    "mailsvc_app",
    metadata,
    _id(),
    _text("name"),
    _at("created_at"),
    _at("updated_at"),
    UniqueConstraint("name"),
)

api_key = Table(
    "mailsvc_api_key",
    metadata,
    _id(),
    _text("app_id"),
    _text("name"),
    _text("digest"),
    _text("scopes"),
    _text("networks"),
    _at("created_at"),
    _at("updated_at"),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    UniqueConstraint("digest"),
)

relay = Table(
    "mailsvc_relay",
    metadata,
    _id(),
    _text("app_id"),
    _text("name"),
    _text("config"),
    _maybe("secret"),
    Column("enabled", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("managed", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    _maybe("pause_reason"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("retry_at", Instant),
    _maybe("last_error"),
    _maybe("last_smtp"),  # the reply shown as the reason for waiting deliveries, while the relay backs off
    _maybe("learnt"),  # the limits that it showed
    _at("created_at"),
    _at("updated_at"),
    UniqueConstraint("app_id", "name"),
)

message = Table(
    "mailsvc_message",
    metadata,
    _id(),
    _text("app_id"),
    _text("message_id"),
    _text("sender"),
    _text("envelope_sender"),
    _maybe("return_path"),  # for this message, instead of the relay's
    _maybe("subject"),
    _text("relay_id"),
    Column("size", Integer, nullable=False),
    Column("smtputf8", Boolean, nullable=False),
    Column("eight_bit", Boolean, nullable=False),
    Column("priority", Integer, nullable=False),
    _text("on_uncertain"),
    Column("delivery_receipt", Boolean, nullable=False),
    Column("scheduled_at", Instant),
    _at("expires_at"),
    _text("tags"),
    _text("metadata"),
    _text("submitted"),
    _at("created_at"),
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
    _text("app_id"),
    _text("address"),
    _text("message_id"),
    PrimaryKeyConstraint("app_id", "address", "message_id"),
    sqlite_with_rowid=False,
)

delivery = Table(
    "mailsvc_delivery",
    metadata,
    _id(),
    _text("message_id"),
    _text("app_id"),
    _text("relay_id"),
    _text("recipient"),
    _text("kind"),
    _text("status"),
    Column("due_at", Instant),
    Column("expires_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("lease_token", Integer, nullable=False),
    _maybe("lease_owner"),
    Column("uncertain", Boolean, nullable=False),
    Column("forced", Boolean, nullable=False, server_default=false()),  # sent despite a suppression
    _maybe("last_smtp"),
    _at("created_at"),
    _at("updated_at"),
    Index("mailsvc_delivery_message", "message_id"),
    # NULL in these columns means finished: a claim never reads finished rows.
    Index("mailsvc_delivery_due", "relay_id", "due_at", **_where_not_null("due_at")),
    Index("mailsvc_delivery_expiry", "expires_at", **_where_not_null("expires_at")),
)

attempt = Table(
    "mailsvc_attempt",
    metadata,
    _text("delivery_id"),
    Column("number", Integer, nullable=False),
    _at("started_at"),
    Column("duration_ms", Float, nullable=False),
    _text("stage"),
    Column("code", Integer),
    _maybe("enhanced_code"),
    _text("text"),
    _text("relay_id"),
    _text("host"),
    _maybe("tls"),
    _text("outcome"),
    PrimaryKeyConstraint("delivery_id", "number"),
    sqlite_with_rowid=False,
)

event = Table(
    "mailsvc_event",
    metadata,
    Column("position", Position, primary_key=True, autoincrement=True),
    _text("id"),
    _text("app_id"),
    _text("type"),
    _maybe("message_id"),
    _maybe("delivery_id"),
    Column("sequence", Integer),
    _at("created_at"),
    _text("body"),
    UniqueConstraint("id"),
    Index("mailsvc_event_feed", "app_id", "position"),
    Index("mailsvc_event_message", "message_id", "sequence", unique=True, **_where_not_null("message_id")),
)

webhook = Table(
    "mailsvc_webhook",
    metadata,
    _id(),
    _text("app_id"),
    _text("url"),
    _text("events"),
    _maybe("description"),
    _maybe("ca_pem"),
    Column("enabled", Boolean, nullable=False),
    Column("managed", Boolean, nullable=False),
    _text("secret"),
    _maybe("old_secret"),
    Column("old_secret_until", Instant),
    Column("failing_since", Instant),
    _maybe("disabled_reason"),
    _at("created_at"),
    _at("updated_at"),
    Index("mailsvc_webhook_app", "app_id"),
)

webhook_delivery = Table(
    "mailsvc_webhook_delivery",
    metadata,
    _text("webhook_id"),
    _text("event_id"),
    _text("status"),
    Column("due_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("lease_token", Integer, nullable=False),
    _maybe("lease_owner"),
    Column("status_code", Integer),
    _maybe("error"),
    _maybe("response"),
    Column("duration_ms", Float),
    _at("created_at"),
    _at("updated_at"),
    PrimaryKeyConstraint("webhook_id", "event_id"),
    Index("mailsvc_webhook_delivery_due", "webhook_id", "due_at", **_where_not_null("due_at")),
    sqlite_with_rowid=False,
)

suppression = Table(
    "mailsvc_suppression",
    metadata,
    _id(),
    _text("app_id"),
    _text("address"),
    _text("reason"),
    _text("tag"),  # "" means every message
    _maybe("note"),
    _maybe("event_id"),
    _at("created_at"),
    _at("updated_at"),
    UniqueConstraint("app_id", "address", "tag"),
)

idempotency = Table(
    "mailsvc_idempotency",
    metadata,
    _text("app_id"),
    _text("key"),
    _text("fingerprint"),
    Column("status", Integer, nullable=False),
    _text("response"),
    _at("created_at"),
    PrimaryKeyConstraint("app_id", "key"),
    Index("mailsvc_idempotency_age", "created_at"),
)

worker = Table(
    "mailsvc_worker",
    metadata,
    _id(),
    _text("host"),
    Column("pid", Integer, nullable=False),
    _text("roles"),
    _at("started_at"),
    _at("seen_at"),
    _text("stats"),
)
