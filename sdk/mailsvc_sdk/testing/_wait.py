"""Waiting for a mail of a running service, in end-to-end tests."""

import time

from mailsvc_sdk._client import Mailsvc
from mailsvc_sdk._errors import Timeout
from mailsvc_sdk._models.message import Message
from mailsvc_sdk.events import MessageQueued

__all__ = ["wait_for"]


def wait_for(
    mail: Mailsvc,
    *,
    recipient: str | None = None,
    tag: str | None = None,
    subject: str | None = None,
    timeout: float = 10,
) -> Message:
    """Return the newest message that fits, as soon as there is one. Raises Timeout.

    Args:
        subject: the whole subject.
        timeout: seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        for message in mail.messages.list(recipient=recipient, tag=tag):
            if subject is None or message.subject == subject:
                return message
        left = deadline - time.monotonic()
        if left <= 0:
            raise Timeout(f"no such message within {timeout:g} s")
        _next_message(mail, min(1, left))


def _next_message(mail: Mailsvc, seconds: float) -> None:
    parameters = {"after": "now", "type": MessageQueued.event_type, "wait": max(1, round(seconds))}
    mail.request("GET", "/v1/events", params=parameters)
