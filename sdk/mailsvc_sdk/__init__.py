"""The Python client of mailsvc: send mail through a durable queue, and learn what became of it.

::

    from mailsvc_sdk import Mailsvc

    mail = Mailsvc()  # MAILSVC_URL, MAILSVC_API_KEY
    mail.send(from_="orders@app.test", to="alice@example.test", subject="Your order", text="…")
"""

import importlib
from typing import TYPE_CHECKING, Any

from mailsvc_sdk import events, webhooks
from mailsvc_sdk._client import (
    AsyncMailsvc,
    Mailsvc,
)
from mailsvc_sdk._errors import (
    APIError,
    AuthenticationError,
    BadRequest,
    BatchError,
    ConfigurationError,
    Conflict,
    ConnectionError,  # noqa: A004 - it is one, too
    CursorExpired,
    FieldError,
    MailsvcError,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    ServerError,
    ServiceUnavailable,
    SignatureError,
    Timeout,
    TransportError,
    ValidationError,
    WaitFailed,
)
from mailsvc_sdk._exchange import (
    Response,
)
from mailsvc_sdk._ids import (
    new_message_id,
)
from mailsvc_sdk._listing import (
    AsyncListing,
    Listing,
    Page,
)
from mailsvc_sdk._models.arrival import (
    Arrival,
    ArrivalAttachment,
    Finding,
)
from mailsvc_sdk._models.message import (
    TLS,
    Accepted,
    AcceptedDelivery,
    ArrivalOfMessage,
    Attempt,
    BatchResult,
    Bounce,
    Delivery,
    DeliveryActionResult,
    Message,
    MessageActionResult,
    MessageAttachment,
    SMTPReply,
)
from mailsvc_sdk._models.objects import (
    Key,
    Mailbox,
    MailboxCheck,
    MailboxCheckStep,
    Relay,
    RelayCheck,
    RelayCheckStep,
    RelayTimeouts,
    Replayed,
    Submission,
    Suppression,
    Webhook,
    WebhookDelivery,
    WebhookTrial,
)
from mailsvc_sdk._models.preflight import Preflight, PreflightDelivery, PreflightFinding
from mailsvc_sdk._models.probe import MailboxProbe, ProbeFinding, ProbeSettings
from mailsvc_sdk._options import (
    Retry,
    Timeouts,
)
from mailsvc_sdk._sending.attachments import (
    Attachment,
)
from mailsvc_sdk._sending.draft import (
    Draft,
)
from mailsvc_sdk._version import (
    __version__,
)
from mailsvc_sdk.events import (
    EVENT_TYPES,
    Event,
    InboundEvent,
    InboundReceived,
    InboundUnmatchedBounce,
    MailboxEvent,
    MailboxFailing,
    MailboxRecovered,
    MessageAutoReplied,
    MessageBounced,
    MessageCanceled,
    MessageComplained,
    MessageDeferred,
    MessageDelayed,
    MessageDelivered,
    MessageEvent,
    MessageExpired,
    MessageHeld,
    MessageQueued,
    MessageReplied,
    MessageSent,
    MessageSuppressed,
    MessageUncertain,
    RelayEvent,
    RelayPaused,
    RelayResumed,
    SubmissionRejected,
    SuppressionAdded,
    SuppressionEvent,
    SuppressionRemoved,
    UnknownEvent,
    WebhookDisabled,
    WebhookTest,
)

if TYPE_CHECKING:
    from mailsvc_sdk import testing

__all__ = [
    "EVENT_TYPES",
    "TLS",
    "APIError",
    "Accepted",
    "AcceptedDelivery",
    "Arrival",
    "ArrivalAttachment",
    "ArrivalOfMessage",
    "AsyncListing",
    "AsyncMailsvc",
    "Attachment",
    "Attempt",
    "AuthenticationError",
    "BadRequest",
    "BatchError",
    "BatchResult",
    "Bounce",
    "ConfigurationError",
    "Conflict",
    "ConnectionError",
    "CursorExpired",
    "Delivery",
    "DeliveryActionResult",
    "Draft",
    "Event",
    "FieldError",
    "Finding",
    "InboundEvent",
    "InboundReceived",
    "InboundUnmatchedBounce",
    "Key",
    "Listing",
    "Mailbox",
    "MailboxCheck",
    "MailboxCheckStep",
    "MailboxEvent",
    "MailboxFailing",
    "MailboxProbe",
    "MailboxRecovered",
    "Mailsvc",
    "MailsvcError",
    "Message",
    "MessageActionResult",
    "MessageAttachment",
    "MessageAutoReplied",
    "MessageBounced",
    "MessageCanceled",
    "MessageComplained",
    "MessageDeferred",
    "MessageDelayed",
    "MessageDelivered",
    "MessageEvent",
    "MessageExpired",
    "MessageHeld",
    "MessageQueued",
    "MessageReplied",
    "MessageSent",
    "MessageSuppressed",
    "MessageUncertain",
    "NotFound",
    "Page",
    "PayloadTooLarge",
    "PermissionDenied",
    "Preflight",
    "PreflightDelivery",
    "PreflightFinding",
    "ProbeFinding",
    "ProbeSettings",
    "RateLimited",
    "Relay",
    "RelayCheck",
    "RelayCheckStep",
    "RelayEvent",
    "RelayPaused",
    "RelayResumed",
    "RelayTimeouts",
    "Replayed",
    "Response",
    "Retry",
    "SMTPReply",
    "ServerError",
    "ServiceUnavailable",
    "SignatureError",
    "Submission",
    "SubmissionRejected",
    "Suppression",
    "SuppressionAdded",
    "SuppressionEvent",
    "SuppressionRemoved",
    "Timeout",
    "Timeouts",
    "TransportError",
    "UnknownEvent",
    "ValidationError",
    "WaitFailed",
    "Webhook",
    "WebhookDelivery",
    "WebhookDisabled",
    "WebhookTest",
    "WebhookTrial",
    "__version__",
    "events",
    "new_message_id",
    "testing",
    "webhooks",
]


def __getattr__(name: str) -> Any:
    # Applications import the package in production: what is for tests comes when it is asked for.
    if name == "testing":
        return importlib.import_module("mailsvc_sdk.testing")
    raise AttributeError(f"module 'mailsvc_sdk' has no attribute {name!r}")
