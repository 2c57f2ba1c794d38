"""The shop's table."""

from django.db import models


class Order(models.Model):
    """What somebody ordered, and how its receipt fares."""

    email = models.TextField()
    item = models.TextField()
    mail_id = models.TextField(db_index=True)
    mail_status = models.TextField(default="queued")

    def __str__(self) -> str:
        return f"{self.item} for {self.email}"
