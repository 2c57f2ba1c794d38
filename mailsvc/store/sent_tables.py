"""The table of what is to be done in the Sent folders of linked mailboxes; see ``tables`` for its form.

A ``lookup`` settles a delivery whose transaction ended without a reply (RFC 1047): its copy is looked for. A ``copy`` files a
sent message. Both are worked off by leases, in lanes by relay. Rows that have ended stay: later look-ups count on them.
"""

from sqlalchemy import Boolean, Column, Index, Integer, Table, false

from mailsvc.store.columns import (
    Instant,
    id_column,
    instant_column,
    metadata,
    optional_text,
    text_column,
    where_not_null,
)

__all__ = ["COPY", "LOOKUP", "sent_job"]

LOOKUP, COPY = "lookup", "copy"

sent_job = Table(
    "mailsvc_sent_job",
    metadata,
    id_column(),  # of a lookup: the delivery's id, a colon, the attempt's number; of a copy: the message's id
    text_column("kind"),
    text_column("app_id"),
    text_column("relay_id"),
    text_column("message_id"),
    optional_text("delivery_id"),
    Column("attempt", Integer),  # the one that is looked up
    optional_text("sent_with"),  # the transaction: its deliveries share one copy
    Column("claim_token", Integer),  # the delivery's lease token then: a later claim makes the look-up void
    text_column("status"),  # waiting, sending (leased), or how it ended
    Column("due_at", Instant),  # NULL once it has ended
    instant_column("until"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("lease_token", Integer, nullable=False, server_default="0"),
    optional_text("lease_owner"),
    Column("may_be_filed", Boolean, nullable=False, server_default=false()),  # an APPEND of ours was begun
    optional_text("last_error"),
    instant_column("created_at"),
    instant_column("updated_at"),
    Index("mailsvc_sent_job_due", "relay_id", "due_at", **where_not_null("due_at")),
    Index("mailsvc_sent_job_message", "message_id"),
)
