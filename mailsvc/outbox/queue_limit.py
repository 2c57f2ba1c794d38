"""MAILSVC_MAX_QUEUE, exactly: which of the requests of one commit still fit into the queue."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection, func, select

from mailsvc.domain.errors import Unavailable
from mailsvc.outbox.build import NewMessage
from mailsvc.store.tables import delivery

__all__ = ["queue_full", "waiting", "within_room"]

_FULL = "the queue is full (MAILSVC_MAX_QUEUE); nothing was stored"


class _Ticket(Protocol):
    new_messages: list[NewMessage]


T = TypeVar("T", bound=_Ticket)


def queue_full() -> Unavailable:
    """What is told to those for whom there is no room."""
    return Unavailable(_FULL, retry_after=10)


def waiting(connection: Connection) -> int:
    """How many deliveries are to be sent, now or later."""
    counted = select(func.count()).select_from(delivery).where(delivery.c.due_at.is_not(None))
    return int(connection.execute(counted).scalar_one())


def within_room(connection: Connection, tickets: Sequence[T], most: int, known: set[str]) -> list[T]:
    """Those of the tickets that fit, in their order; what is stored already takes no room."""
    room = most - waiting(connection)
    fitting = []
    for ticket in tickets:
        size = sum(len(c.deliveries) for c in ticket.new_messages if c.message["id"] not in known)
        if size <= room:
            room -= size
            fitting.append(ticket)
    return fitting
