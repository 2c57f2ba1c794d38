"""MAILSVC_MAX_QUEUE: which requests of a commit still fit into the queue."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from mailsvc.domain.errors import Unavailable
from mailsvc.outbox.request import IntakeRequest
from mailsvc.store.tables import delivery

__all__ = ["queue_full", "waiting", "within_room"]

_FULL = "the queue is full (MAILSVC_MAX_QUEUE); nothing was stored"


def queue_full() -> Unavailable:
    """The problem for requests that don't fit."""
    return Unavailable(_FULL, retry_after=10)


def waiting(connection: Connection) -> int:
    """How many deliveries wait to be sent."""
    counted = select(func.count()).select_from(delivery).where(delivery.c.due_at.is_not(None))
    return int(connection.execute(counted).scalar_one())


def within_room(
    connection: Connection, group: Sequence[IntakeRequest], most: int, stored: set[str]
) -> list[IntakeRequest]:
    """The requests that fit, in their order; messages that are already stored take no room."""
    room = most - waiting(connection)
    fitting = []
    for request in group:
        size = sum(len(m.deliveries) for m in request.new_messages if m.message["id"] not in stored)
        if size <= room:
            room -= size
            fitting.append(request)
    return fitting
