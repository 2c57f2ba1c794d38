"""Answers that are still to come: a view returns one of these rather than hold up its thread until a commit."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from flask import Response

from mailsvc.outbox.intake import Answer

__all__ = ["Promised"]


@dataclass(frozen=True, slots=True)
class Promised:
    """A response as soon as there is an answer; a Problem instead of one is raised to whoever waits."""

    done: "Future[Answer] | asyncio.Future[Answer]"
    render: Callable[[Answer], Response]

    def wait(self) -> Response:
        """The response, for a thread that has nothing else to do."""
        return self.render(self.done.result())

    def __await__(self) -> Generator[Any, None, Response]:
        assert isinstance(self.done, asyncio.Future)
        return self.render((yield from self.done))
