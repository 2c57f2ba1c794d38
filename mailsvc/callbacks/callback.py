"""A callback as the host registers it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from mailsvc.callbacks.event import Event
from mailsvc.domain.events import VOCABULARY, is_pattern, matches

__all__ = ["Callback", "Handler", "Start"]

Handler = Callable[[Event], Awaitable[Any] | Any]
Start = Literal["now", "beginning"]

_NAME = re.compile(r"[a-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A handler, and the events that it is called with.

    Args:
        types: as webhooks take them: ``*``, ``message.*``, or exact ones.
        name: of its position in the feed, which outlives the process.
        app: the app's name.
        start: where the position begins when the name is new.
        give_up_after: tries with one event, after which it is passed over; None repeats for ever.

    Raises:
        ValueError: one of them has no such form.
    """

    types: tuple[str, ...]
    name: str
    handler: Handler
    app: str = "default"
    start: Start = "now"
    give_up_after: int | None = None

    def __post_init__(self) -> None:
        if not self.types:
            raise ValueError("name at least one event type, such as 'message.bounced', or '*'")
        for pattern in self.types:
            if not is_pattern(pattern):
                raise ValueError(f"{pattern!r} is not an event type; known types are {', '.join(sorted(VOCABULARY))}")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"the name {self.name!r} must have 1 to 100 of the characters a-z 0-9 . _ -")
        if self.start not in ("now", "beginning"):
            raise ValueError(f"start must be 'now' or 'beginning', not {self.start!r}")
        if self.give_up_after is not None and self.give_up_after < 1:
            raise ValueError("give_up_after must be at least 1")

    def wants(self, event_type: str) -> bool:
        """Whether the handler is called with events of this type."""
        return matches(self.types, event_type)
