"""Whose turn it is: apps in turn, a group of rows each; what can't be taken now is tried again with growing waits."""

from collections.abc import Callable
from dataclasses import dataclass

from mailsvc import clock
from mailsvc.outbox.submissions.rows import QueuedApp
from mailsvc.outbox.submissions.take_up import Group

__all__ = ["Turns"]

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds
MOST_APPS = 10_000  # that are remembered


@dataclass(slots=True)
class _State:
    after: str = ""  # the last row that could not be taken: new rows come after it
    hold_until: float = 0.0
    again_at: float = float("inf")  # when the rows before ``after`` are tried again
    wait: float = FIRST_WAIT


class Turns:
    """Remembers for each app which rows could not be taken, and until when.

    Args:
        now: a clock that only runs forward, in seconds.
    """

    def __init__(self, now: Callable[[], float] = clock.monotonic) -> None:
        self._now = now
        self._states: dict[QueuedApp, _State] = {}

    def begin(self, app: QueuedApp) -> str | None:
        """The id after which the app's next group begins; None while the app must wait."""
        state, now = self._states.get(app), self._now()
        if state is None:
            return ""
        if now < state.hold_until:
            return None
        if now >= state.again_at:
            state.after, state.again_at = "", float("inf")
        return state.after

    def end(self, app: QueuedApp, group: Group) -> None:
        """Note what became of the app's group."""
        if not group.left:
            if app in self._states and self._states[app].after == "":
                del self._states[app]
            return
        if len(self._states) > MOST_APPS:
            self._states.clear()
        state, now = self._states.setdefault(app, _State()), self._now()
        state.after = max(state.after, group.left[-1][0].id)
        state.again_at = min(state.again_at, now + state.wait)
        if group.has_moved and not group.hindrance:
            state.wait = FIRST_WAIT
            return
        if group.is_full or group.hindrance:
            state.hold_until = now + state.wait
        state.wait = min(2 * state.wait, LONGEST_WAIT)
