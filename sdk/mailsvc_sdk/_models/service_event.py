"""The events about suppressions, relays, mailboxes, webhooks and submissions."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from mailsvc_sdk._models.event import Event, event
from mailsvc_sdk._models.words import SuppressionReason

__all__ = [
    "MailboxEvent",
    "MailboxFailing",
    "MailboxRecovered",
    "RelayEvent",
    "RelayPaused",
    "RelayResumed",
    "SubmissionRejected",
    "SuppressionAdded",
    "SuppressionEvent",
    "SuppressionRemoved",
    "WebhookDisabled",
    "WebhookTest",
]


@event
class SuppressionEvent(Event):
    """An event about a suppression.

    Attributes:
        event_id: of the event that caused it.
    """

    suppression_id: str | None = None
    address: str | None = None
    reason: SuppressionReason | None = None
    tag: str | None = None
    note: str | None = None
    event_id: str | None = None


class SuppressionAdded(SuppressionEvent):
    """An address was added to the suppression list."""

    event_type: ClassVar[str | None] = "suppression.added"


class SuppressionRemoved(SuppressionEvent):
    """An address was removed from the suppression list."""

    event_type: ClassVar[str | None] = "suppression.removed"


@event
class RelayEvent(Event):
    """An event about a relay."""

    relay_id: str | None = None
    name: str | None = None
    reason: str | None = None
    retry_at: datetime | None = None


class RelayPaused(RelayEvent):
    """The relay is not used for now; its messages wait."""

    event_type: ClassVar[str | None] = "relay.paused"


class RelayResumed(RelayEvent):
    """The relay is used again."""

    event_type: ClassVar[str | None] = "relay.resumed"


@event
class MailboxEvent(Event):
    """An event about a mailbox."""

    mailbox_id: str | None = None
    name: str | None = None
    reason: str | None = None
    detail: str | None = None


class MailboxFailing(MailboxEvent):
    """A watched mailbox can't be read. Once until it recovers."""

    event_type: ClassVar[str | None] = "mailbox.failing"


class MailboxRecovered(MailboxEvent):
    """A watched mailbox can be read again."""

    event_type: ClassVar[str | None] = "mailbox.recovered"


@event
class WebhookDisabled(Event):
    """The webhook receives no more events until it is enabled again."""

    event_type: ClassVar[str | None] = "webhook.disabled"

    webhook_id: str | None = None
    url: str | None = None
    reason: str | None = None


@event
class WebhookTest(Event):
    """A test event, sent on request to one webhook."""

    event_type: ClassVar[str | None] = "webhook.test"

    webhook_id: str | None = None


@event
class SubmissionRejected(Event):
    """A draft that was inserted by SQL can't be taken."""

    event_type: ClassVar[str | None] = "submission.rejected"

    submission_id: str | None = None
    app: str | None = None
    idempotency_key: str | None = None
    errors: tuple[Mapping[str, str], ...] | None = None
