"""The event feed: ``/v1/events``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mailsvc_sdk._call import call, is_temporary, jittered
from mailsvc_sdk._errors import APIError, TransportError
from mailsvc_sdk._exchange import Operation, Pause, Request
from mailsvc_sdk._listing import Page, Query
from mailsvc_sdk._operations.paths import HasId, identifier, parameters, path
from mailsvc_sdk._options import Options, Retry
from mailsvc_sdk.events import Event, parse

__all__ = ["FeedQuery", "Follower", "follow", "list_", "of_message", "page"]

LONGEST_PAUSE = 30.0  # seconds


def page(options: Options, cursor: str, params: tuple[tuple[str, str], ...], wait: int = 0) -> Operation[Page[Event]]:
    """Return the events behind a cursor. Each carries its own, good for ``after``."""
    held = (("wait", str(wait)),) if wait else ()
    request = Request("GET", "/v1/events", (("after", cursor), *params, *held), held_for=wait)
    document = (yield from call(options, request)).json()
    *others, last = [entry["id"] for entry in document["data"]] or [None]
    cursors = [*others, document["next_cursor"]] if last else []
    found = (parse(entry, cursor=own) for entry, own in zip(document["data"], cursors, strict=True))
    return Page(tuple(found), document["next_cursor"])


class FeedQuery(Query[Event]):
    """The events that are there now, oldest first."""

    __slots__ = ()

    def page(self, cursor: str | None, taken: int) -> Operation[Page[Event]]:
        """Return the events behind a cursor, when this many are there already."""
        size = self.page_size if self.limit is None else min(self.page_size, self.limit - taken)
        found = yield from page(self.options, cursor or "beginning", (*self.params, ("limit", str(size))))
        return found if found.data else Page((), None)


def list_(
    options: Options,
    *,
    after: str | Event = "beginning",
    types: str | Iterable[str] | None = None,
    message: str | HasId | Iterable[str] | None = None,
    page_size: int = 200,
    limit: int | None = None,
) -> Query[Event]:
    """List the events that are there, oldest first.

    Args:
        after: an event, its id or ``cursor``, ``beginning`` or ``now``.
        types: such as ``message.bounced`` or ``message.*``.
        message: only those of this message.
    """
    filters = _filters(types, message)
    return FeedQuery(options, "/v1/events", _event, filters, page_size, limit, _cursor(after))


def of_message(
    options: Options, id: str | HasId, *, page_size: int = 200, limit: int | None = None, cursor: str | None = None
) -> Query[Event]:
    """List the events of a message, in their order."""
    return Query(options, path("messages", id, "events"), _event, (), page_size, limit, cursor)


def _event(document: Mapping[str, Any]) -> Event:
    return parse(document)


def _filters(
    types: str | Iterable[str] | None, message: str | HasId | Iterable[str] | None
) -> tuple[tuple[str, str], ...]:
    one = message is None or isinstance(message, str) or not hasattr(message, "id")
    return parameters(type=types, message=message if one else identifier(message))  # type: ignore[arg-type]


def _cursor(after: str | Event) -> str:
    return (after.cursor or after.id) if isinstance(after, Event) else after


@dataclass(slots=True)
class Follower:
    """A place in the feed that moves on; trouble is waited out."""

    options: Options
    cursor: str
    filters: tuple[tuple[str, str], ...]
    wait: int
    _failures: int = field(default=0, init=False)

    def poll(self) -> Operation[tuple[Event, ...]]:
        """Return the next events, or none after a while. Raises APIError if trying again is of no use."""
        try:
            # "now" is a place only once the service has named it: a poll that broke would begin later.
            wait = 0 if self.cursor == "now" else self.wait
            found = yield from page(self.options, self.cursor, self.filters, wait)
        except (APIError, TransportError) as error:
            if not is_temporary(error):
                raise
            yield Pause(self._pause(error))
            return ()
        self._failures = 0
        assert found.next_cursor is not None
        self.cursor = found.next_cursor
        return found.data

    def _pause(self, error: APIError | TransportError) -> float:
        self._failures += 1
        longest = min(LONGEST_PAUSE, 0.2 * 2.0 ** min(self._failures, 10))
        told = error.retry_after if isinstance(error, APIError) else None
        return min(LONGEST_PAUSE, told) if told is not None else jittered(longest)


def follow(
    options: Options,
    after: str | Event = "now",
    *,
    types: str | Iterable[str] | None = None,
    message: str | HasId | Iterable[str] | None = None,
    wait: int = 30,
) -> Follower:
    """Return a follower of the feed."""
    once = Options(options.url, options.api_key, options.timeouts, Retry(attempts=0), options.headers)
    return Follower(once, _cursor(after), (*_filters(types, message), ("limit", "200")), wait)
