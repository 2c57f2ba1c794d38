"""What the frameworks' webhook helpers have in common."""

import json
import os
from collections.abc import Sequence

from mailsvc_sdk import webhooks
from mailsvc_sdk._errors import ConfigurationError, SignatureError
from mailsvc_sdk.events import Event

__all__ = ["LARGEST_BODY", "PROBLEM", "problem_of", "verified"]

LARGEST_BODY = 1024 * 1024
PROBLEM = "application/problem+json"

Secret = str | Sequence[str] | None


def verified(body: bytes, headers: webhooks.HeadersLike, secret: Secret) -> Event:
    """Return the event of a request. Raises SignatureError, ConfigurationError without a secret."""
    found = secret or os.environ.get("MAILSVC_WEBHOOK_SECRET")
    if not found:
        raise ConfigurationError("no secret for webhooks: set MAILSVC_WEBHOOK_SECRET, or pass secret=")
    return webhooks.verify(body, headers, found)


def problem_of(error: SignatureError) -> str:
    """Return the problem document (RFC 9457) for a request that is not signed as it should be."""
    return json.dumps(
        {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": str(error), "code": error.reason}
    )
