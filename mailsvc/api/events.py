"""GET /v1/events: the ordered feed of events, to pull instead of using webhooks. With ``wait``, it long-polls."""

from typing import Any

import msgspec
from flask import Blueprint, Response, request
from sqlalchemy import Connection, func, select

from mailsvc import clock
from mailsvc.api.auth import caller, needs
from mailsvc.api.feed import Interest, newest
from mailsvc.api.input import refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.parts import services
from mailsvc.api.poll import GATEWAY, LONGEST_WAIT, POLL, NotYet, Poll
from mailsvc.domain.errors import FieldError, Gone, Invalid
from mailsvc.domain.events import VOCABULARY, is_pattern, matches
from mailsvc.domain.ids import is_id
from mailsvc.store.tables import event

__all__ = ["OPERATIONS", "EventObject", "EventPage", "blueprint"]

blueprint = Blueprint("events", __name__)

DEFAULT, MOST, MOST_SECONDS = 50, 200, 30
FURTHEST = 2**63 - 1  # positions are 64-bit numbers


class EventObject(msgspec.Struct):
    """A fact about a message, relay, webhook or address."""

    id: str
    type: str
    timestamp: str
    sequence: int | None
    data: dict[str, Any]


class EventPage(msgspec.Struct):
    """Events in the order in which they were committed."""

    data: list[EventObject]
    next_cursor: str
    skipped: bool | msgspec.UnsetType = msgspec.UNSET  # true: events behind the cursor are no longer kept


@blueprint.get("/v1/events")
@needs("read")
def list_events() -> Response:
    """Events from the oldest that is kept."""
    refuse_unknown_arguments("after", "wait", "type", "message", "limit", "cursor")
    wanted = _Wanted(request.environ.get(POLL))
    while True:
        with services().database.read() as connection:
            seen = newest(connection) if wanted.wait else 0  # read first: later events are checked twice
            rows = wanted.look(connection)
        if rows or wanted.remaining <= 0:
            return _page(rows, wanted)
        not_yet = NotYet(wanted.interest(seen), Poll(wanted.position, wanted.deadline))
        if GATEWAY in request.environ:
            raise not_yet
        wanted.deadline = not_yet.wait(services().feed).deadline


class _Wanted:
    """The parameters of the request."""

    def __init__(self, again: Poll | None) -> None:
        self.limit = _number("limit", DEFAULT, 1, MOST)
        self.wait = min(_number("wait", 0, 0, MOST_SECONDS), request.environ.get(LONGEST_WAIT, MOST_SECONDS))
        self.deadline = again.deadline if again else clock.monotonic() + self.wait
        self.types = tuple(request.args.getlist("type"))
        for pattern in self.types:
            if not is_pattern(pattern):
                raise Invalid(
                    FieldError(
                        "type",
                        f"{pattern[:100]!r} is not an event type; known types are {', '.join(sorted(VOCABULARY))}",
                    )
                )
        self.messages = request.args.getlist("message")
        if len(self.types) + len(self.messages) > MOST:
            raise Invalid(FieldError("message", f"at most {MOST} `type` and `message` filters together"))
        self.skipped = False
        self.position = again.position if again else self._begin()

    def _begin(self) -> int:
        after = request.args.get("after") or request.args.get("cursor") or "beginning"
        with services().database.read() as connection:
            position = _position(connection, after)
            self.skipped = _is_before_the_kept(connection, position)
            return position

    @property
    def remaining(self) -> float:
        """The seconds that the request still waits."""
        return self.deadline - clock.monotonic()

    def interest(self, seen: int) -> Interest:
        """Return the interest in further events."""
        return Interest(caller().app_id, self.types, tuple(self.messages), seen)

    def look(self, connection: Connection) -> list[Any]:
        """Return the next events, at most a page of them."""
        found: list[Any] = []
        while len(found) < self.limit:
            condition = (event.c.app_id == caller().app_id) & (event.c.position > self.position)
            if self.messages:
                condition &= event.c.message_id.in_(self.messages)
            rows = connection.execute(
                select(event.c.position, event.c.type, event.c.body)
                .where(condition)
                .order_by(event.c.position)
                .limit(MOST)
            ).all()
            for row in rows:
                self.position = row.position
                if not self.types or matches(self.types, row.type):
                    found.append(row)
                    if len(found) == self.limit:
                        break
            if len(rows) < MOST:
                break
        return found


def _position(connection: Connection, after: str) -> int:
    """The position to start from: an event's id, ``now``, ``beginning``, or a cursor of this feed."""
    if after == "beginning":
        return 0
    if after == "now":
        return newest(connection)
    number = after.removeprefix("pos_")
    if number != after and number.isascii() and number.isdigit() and len(number) < 20 and int(number) <= FURTHEST:
        return int(number)
    if is_id(after, "evt"):
        condition = (event.c.id == after) & (event.c.app_id == caller().app_id)
        found = connection.execute(select(event.c.position).where(condition)).scalar()
        if found is not None:
            return int(found)
        _refuse_if_dropped(connection, after)
    raise Invalid(FieldError("after", "must be an event id, a next_cursor of this feed, `now` or `beginning`"))


def _refuse_if_dropped(connection: Connection, event_id: str) -> None:
    """Raise Gone if this event is older than the first that is kept: ids ascend with time."""
    own = select(event.c.id).where(event.c.app_id == caller().app_id)
    oldest = connection.execute(own.order_by(event.c.position).limit(1)).scalar()
    if oldest is not None and event_id < oldest:
        raise Gone(f"the event {event_id} is no longer kept; the oldest one is {oldest}", oldest=oldest)


def _is_before_the_kept(connection: Connection, position: int) -> bool:
    """Whether events after this cursor may have been dropped: positions have no gaps, and the oldest go first."""
    if position == 0:  # from the beginning, which needs no look
        return False
    first = connection.execute(select(func.min(event.c.position))).scalar()
    return first is not None and position < first - 1


def _page(rows: list[Any], wanted: _Wanted) -> Response:
    skipped = ',"skipped":true' if wanted.skipped else ""
    # The stored bodies are sent unchanged: the same bytes that a webhook carries.
    body = f'{{"data":[{",".join(row.body for row in rows)}],"next_cursor":"pos_{wanted.position}"{skipped}}}'
    return Response(body, content_type="application/json")


def _number(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name, str(default))
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
    if not least <= number <= most:
        raise Invalid(FieldError(name, f"must be a number from {least} to {most}"))
    return number


OPERATIONS = {
    "list_events": Operation(
        summary="Read the event feed, oldest first. With `wait`, the response is held back until there is a new event.",
        answer=EventPage,
        problems=(410,),
        query={
            "after": "Start after this event id or `next_cursor`; `now`, or `beginning` (the default).",
            "wait": f"Seconds to wait for a new event, up to {MOST_SECONDS}.",
            "type": "Only events of this type, or of a pattern such as `message.*`; may be repeated.",
            "message": "Only events of this message; may be repeated.",
            "limit": f"The largest number of objects to return, from 1 to {MOST}; {DEFAULT} by default.",
        },
    ),
}
