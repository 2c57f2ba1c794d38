"""The tables as the admin shows them. They are the service's: nothing here writes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models

from mailsvc.django.options import table

__all__ = ["Delivery", "Message", "Submission"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InstantField(models.BigIntegerField):
    """Microseconds since 1970 in the database, an aware datetime in Python."""

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        """Convert what was read."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Submission(models.Model):
    """A mail that is not taken up yet, or was refused."""

    id = models.TextField(primary_key=True)
    app = models.TextField()
    draft = models.TextField()
    idempotency_key = models.TextField(null=True)  # noqa: DJ001 - the service's table
    created_at = InstantField()
    errors = models.TextField(null=True)  # noqa: DJ001 - see above

    class Meta:
        managed = False
        db_table = table("mailsvc_submission")

    def __str__(self) -> str:
        return str(self.id)


class Message(models.Model):
    """An accepted mail."""

    id = models.TextField(primary_key=True)
    sender = models.TextField()
    subject = models.TextField(null=True)  # noqa: DJ001 - see above
    message_id = models.TextField()
    tags = models.TextField()
    metadata = models.TextField()
    size = models.IntegerField()
    scheduled_at = InstantField(null=True)
    created_at = InstantField()

    class Meta:
        managed = False
        db_table = table("mailsvc_message")

    def __str__(self) -> str:
        return str(self.id)


class Delivery(models.Model):
    """One recipient of a mail."""

    id = models.TextField(primary_key=True)
    message = models.ForeignKey(Message, models.DO_NOTHING, db_constraint=False, related_name="deliveries")
    recipient = models.TextField()
    status = models.TextField()
    attempts = models.IntegerField()
    due_at = InstantField(null=True)
    updated_at = InstantField()

    class Meta:
        managed = False
        db_table = table("mailsvc_delivery")
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.recipient}: {self.status}"
