"""Webhooks as the service sends them."""

from dataclasses import dataclass, field

from mailsvc_sdk import webhooks
from mailsvc_sdk._sending.draft import canonical
from mailsvc_sdk.events import Event

__all__ = ["SignedRequest", "signed_request"]


@dataclass(frozen=True)
class SignedRequest:
    """A request to an application's webhook: post the body with the headers."""

    body: bytes
    headers: dict[str, str] = field(repr=False)


def signed_request(event: Event, secret: str, at: float) -> SignedRequest:
    """Return the request that tells of an event."""
    body, timestamp = canonical(event.raw), int(at)
    headers = {
        "content-type": "application/json",
        "webhook-id": event.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": webhooks.sign(body, event.id, timestamp, secret),
    }
    return SignedRequest(body, headers)
