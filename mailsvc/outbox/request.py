"""The request that a door passes to the intake: its messages, and how to render the response."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from mailsvc.outbox.message_rows import NewMessage

__all__ = ["Answer", "IdempotencyKey", "IntakeRequest"]


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An idempotency key with the fingerprint of the request that it was used for."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The response: an HTTP status and a JSON body."""

    status: int
    body: bytes
    replayed: bool = False


def _future() -> "Future[Answer] | asyncio.Future[Answer]":
    """A future of the running event loop, or one for threads."""
    try:
        return asyncio.get_running_loop().create_future()
    except RuntimeError:
        return Future()


@dataclass(slots=True, eq=False)
class IntakeRequest:
    """Messages that are stored together or not at all; ``done`` will hold the response, or the Problem instead."""

    app_id: str
    new_messages: list[NewMessage]
    render: Callable[[Sequence[NewMessage]], Answer]
    idempotency_key: IdempotencyKey | None = None
    done: "Future[Answer] | asyncio.Future[Answer]" = field(default_factory=_future)

    @property
    def size(self) -> int:
        """Bytes of content."""
        return sum(len(new_message.content) for new_message in self.new_messages)

    @property
    def key(self) -> tuple[str, str] | None:
        """The idempotency key, among those of all apps."""
        return (self.app_id, self.idempotency_key.key) if self.idempotency_key else None

    @property
    def message_ids(self) -> list[str]:
        return [new_message.message["id"] for new_message in self.new_messages]
