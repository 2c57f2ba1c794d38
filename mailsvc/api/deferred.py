"""Answers that are still to come: a view returns one of these rather than hold up its thread until a commit."""

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
    """A response as soon as there is an answer; a Problem instead of one is raised to whoever waits."""

    done: "Future[Answer] | asyncio.Future[Answer]"
    render: Callable[[Answer], Response]

    def wait(self) -> Response:
        """The response, for a thread that has nothing else to do."""
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
