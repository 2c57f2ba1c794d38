"""What the application learns of a mail before it is committed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mailsvc import clock
from mailsvc.domain.ids import delivery_id
from mailsvc.domain.prepared import Prepared, RecipientKind

__all__ = ["Receipt", "ReceiptDelivery", "receipt_of"]

EarlyStatus = Literal["queued", "scheduled"]


@dataclass(frozen=True, slots=True)
class ReceiptDelivery:
    """One recipient of the mail."""

    id: str
    recipient: str
    kind: RecipientKind
    status: EarlyStatus


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mail that exists from the commit on, under these ids; ``str`` is its id."""

    id: str
    message_id: str  # the field Message-ID, with its angle brackets
    status: EarlyStatus
    created_at: datetime
    deliveries: tuple[ReceiptDelivery, ...]

    def __str__(self) -> str:
        return self.id


def receipt_of(id: str, prepared: Prepared, *, now: int) -> Receipt:
    """Return the receipt of a mail, whose other ids follow from its own."""
    status: EarlyStatus = "scheduled" if prepared.scheduled_at else "queued"
    deliveries = tuple(
        ReceiptDelivery(delivery_id(id, place), recipient.address, recipient.kind, status)
        for place, recipient in enumerate(prepared.recipients)
    )
    return Receipt(id, f"<{id[4:]}@{prepared.sender.domain}>", status, clock.as_datetime(now), deliveries)
