"""Requests that wait for events: their state between two reads, and the wait, with or without a thread."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from mailsvc import clock
from mailsvc.api.feed import Feed, Interest

__all__ = ["GATEWAY", "LONGEST_WAIT", "POLL", "NotYet", "Poll"]

POLL = "mailsvc.poll"  # in the environ of a repeated request: its Poll
LONGEST_WAIT = "mailsvc.longest_wait"  # in the environ of a server that has few workers: seconds that one may be held
GATEWAY = "mailsvc.gateway"  # in the environ if NotYet may be raised


@dataclass(frozen=True, slots=True)
class Poll:
    """The position from which a request continues, and its deadline."""

    position: int
    deadline: float


class NotYet(BaseException):
    """There are no events yet: repeat the request when there are, or at its deadline. Not a failure."""

    def __init__(self, interest: Interest, poll: Poll) -> None:
        super().__init__()
        self.interest, self.poll = interest, poll

    def wait(self, feed: Feed) -> Poll:
        """Block this thread until then. Raises Unavailable if too many requests wait."""
        feed.expect(self.interest)
        with suppress(TimeoutError):
            self.interest.news.result(self._remaining)
        return self._over(feed, at_once=False)

    async def wait_in_loop(self, feed: Feed, is_gone: asyncio.Event) -> Poll:
        """As ``wait``, without a thread, and only while the client is connected."""
        feed.expect(self.interest)
        news, gone = asyncio.wrap_future(self.interest.news), asyncio.ensure_future(is_gone.wait())
        try:
            await asyncio.wait((news, gone), timeout=self._remaining, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            news.cancel()
            poll = self._over(feed, at_once=is_gone.is_set())
        return poll

    @property
    def _remaining(self) -> float:
        return max(0.0, self.poll.deadline - clock.monotonic())

    def _over(self, feed: Feed, *, at_once: bool) -> Poll:
        feed.leave(self.interest)
        return Poll(self.poll.position, 0.0) if at_once or feed.is_stopping else self.poll
