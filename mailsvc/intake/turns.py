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
    after: str = ""  # rows up to this one were looked at
    hold_until: float = 0.0
    again_at: float = float("inf")  # when the rows up to ``after`` are looked at again
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
            self._go_on(app, group)
            return
        state, now = self._state_of(app), self._now()
        state.after = max(state.after, group.left[-1][0].id)
        state.again_at = min(state.again_at, now + state.wait)
        if group.has_moved and not group.hindrance:
            state.wait = FIRST_WAIT
            return
        if group.is_full or group.hindrance:
            state.hold_until = now + state.wait
        state.wait = min(2 * state.wait, LONGEST_WAIT)

    def _go_on(self, app: QueuedApp, group: Group) -> None:
        """Continue after a full group, because PostgreSQL would step over each deleted row as long as a transaction is open.

        A row that was committed later may have an id that comes before: so everything is looked at again soon.
        """
        state = self._states.get(app)
        if group.is_full and group.last:
            state = self._state_of(app)
            state.after = max(state.after, group.last)
            state.again_at = min(state.again_at, self._now() + FIRST_WAIT)
        elif state is not None and state.after == "":
            del self._states[app]

    def _state_of(self, app: QueuedApp) -> _State:
        if len(self._states) > MOST_APPS:
            self._states.clear()
        return self._states.setdefault(app, _State())
