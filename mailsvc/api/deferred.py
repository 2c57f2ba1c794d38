"""Deferred responses: a view returns one so that its thread does not wait for a commit."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from flask import Response

from mailsvc.domain.errors import Unavailable
from mailsvc.outbox.request import Answer

__all__ = ["DeferredResponse"]

PATIENCE = 9.0  # seconds


@dataclass(frozen=True, slots=True)
class DeferredResponse:
    """A response that is rendered as soon as the answer is there; a Problem is raised to the waiter."""

    done: "Future[Answer] | asyncio.Future[Answer]"
    render: Callable[[Answer], Response]

    def wait(self) -> Response:
        """Return the response; blocks the thread."""
        assert isinstance(self.done, Future)
        try:
            return self.render(self.done.result(PATIENCE))
        except TimeoutError:
            raise _in_doubt() from None

    def __await__(self) -> Generator[Any, None, Response]:
        return self._in_time().__await__()

    async def _in_time(self) -> Response:
        assert isinstance(self.done, asyncio.Future)
        try:
            async with asyncio.timeout(PATIENCE):
                return self.render(await self.done)
        except TimeoutError:
            raise _in_doubt() from None


def _in_doubt() -> Unavailable:
    return Unavailable(
        f"the database has not stored the message within {PATIENCE:g} seconds, and may still do so: send it again "
        "with the Idempotency-Key of this request, or look for it first if it had none",
        retry_after=2,
    )
