"""What a message's ``anymail_status`` says after sending."""

from dataclasses import dataclass, field

from mailsvc_sdk._errors import MailsvcError
from mailsvc_sdk._models.message import Accepted

__all__ = ["AnymailStatus", "RecipientStatus", "status_of", "status_of_row"]


@dataclass(slots=True)
class RecipientStatus:
    """What became of a message for one recipient."""

    message_id: str | None
    status: str


@dataclass(slots=True)
class AnymailStatus:
    """What became of a message; the words are django-anymail's.

    Attributes:
        message_id: mailsvc's id (``msg_…``).
        status: the words of all recipients.
        esp_response: what mailsvc answered.
    """

    message_id: str | None = None
    status: set[str] | None = None
    recipients: dict[str, RecipientStatus] = field(default_factory=dict)
    esp_response: Accepted | MailsvcError | None = None


def status_of(answer: Accepted | MailsvcError, recipients: list[str]) -> AnymailStatus:
    """Return the status of a message that was handed in."""
    if isinstance(answer, MailsvcError):
        return AnymailStatus(None, {"failed"}, {r: RecipientStatus(None, "failed") for r in recipients}, answer)
    each = {
        delivery.recipient: RecipientStatus(answer.id, "rejected" if delivery.status == "suppressed" else "queued")
        for delivery in answer.deliveries
    }
    return AnymailStatus(answer.id, {status.status for status in each.values()}, each, answer)


def status_of_row(id_: str, recipients: list[str]) -> AnymailStatus:
    """Return the status of a message that was written into a transaction."""
    return AnymailStatus(id_, {"queued"}, {recipient: RecipientStatus(id_, "queued") for recipient in recipients})
