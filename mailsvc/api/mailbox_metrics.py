"""The metrics of mailboxes that are read from the database; see ``metrics``."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from mailsvc import clock
from mailsvc.apps.mailbox_row import STATUSES, mailbox_status

__all__ = ["mailbox_metrics"]


def mailbox_metrics(rows: Sequence[Any], now: int) -> Iterable[Metric]:
    """Return the metrics of all mailboxes."""
    statuses = Counter(mailbox_status(row) for row in rows)
    mailboxes = GaugeMetricFamily("mailsvc_mailboxes", "Mailboxes, by status.", labels=["status"])
    for status in STATUSES:
        mailboxes.add_metric([status], statuses[status])
    lag = GaugeMetricFamily(
        "mailsvc_mailbox_lag_seconds",
        "Seconds since everything in the mailbox had been read; since its creation before the first time.",
        labels=["mailbox", "name"],
    )
    for row in rows:
        if mailbox_status(row) != "paused":
            lag.add_metric([row.id, row.name], max(0.0, (now - (row.last_read_at or row.created_at)) / clock.SECOND))
    return mailboxes, lag
