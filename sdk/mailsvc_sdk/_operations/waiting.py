"""Waiting for what becomes of a message."""

import time
from collections.abc import Iterable
from dataclasses import replace

from mailsvc_sdk._errors import Timeout, WaitFailed
from mailsvc_sdk._exchange import Operation
from mailsvc_sdk._models.message import Message
from mailsvc_sdk._models.words import FINAL, Status
from mailsvc_sdk._operations import messages
from mailsvc_sdk._operations.events import page
from mailsvc_sdk._operations.paths import HasId, identifier
from mailsvc_sdk._options import Options

__all__ = ["wait"]

LONGEST_POLL = 5  # seconds: changes without an event are seen then


def wait(
    options: Options,
    id: str | HasId,
    until: Status | str | Iterable[str] = "final",
    *,
    timeout: float = 60.0,
) -> Operation[Message]:
    """Return a message as soon as every delivery has one of the statuses.

    Args:
        until: a status, several, or ``final``: any that is an end. ``sent`` is one, though a report may follow.
        timeout: seconds.

    Raises:
        WaitFailed: all deliveries have ended, but not so; at once.
        Timeout: the time is over; ``message`` is what was seen last.
        NotFound: there is no such message.
    """
    wanted = FINAL if until == "final" else frozenset({until} if isinstance(until, str) else until)
    deadline = time.monotonic() + timeout
    filters = (("message", identifier(id)),)
    cursor = (yield from page(options, "now", filters)).next_cursor
    while True:
        message = yield from messages.get(options, id)
        if _is_there(message, wanted):
            return message
        left = deadline - time.monotonic()
        if left <= 0:
            raise _late(message, timeout)
        patient = replace(options, retry=replace(options.retry, seconds=min(options.retry.seconds, left)))
        held = min(LONGEST_POLL, max(1, int(left)))
        cursor = (yield from page(patient, cursor or "now", filters, held)).next_cursor


def _is_there(message: Message, wanted: frozenset[str]) -> bool:
    statuses = {delivery.status for delivery in message.deliveries}
    if statuses <= wanted:
        return True
    if statuses <= FINAL:
        raise WaitFailed(f"{message.id} is {message.status}, not {' or '.join(sorted(wanted))}", message=message)
    return False


def _late(message: Message, seconds: float) -> Timeout:
    error = Timeout(f"{message.id} is still {message.status} after {seconds:g} s")
    error.message = message
    return error
