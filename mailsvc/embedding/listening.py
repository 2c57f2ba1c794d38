"""What a program is told by its service, without HTTP: the callbacks that it registers."""

import threading
from collections.abc import Callable
from typing import TypeVar, overload

from mailsvc.callbacks.callback import Callback, Handler, Start
from mailsvc.callbacks.positions import skip
from mailsvc.embedding.run import Run
from mailsvc.embedding.storage import Storage

__all__ = ["Listening"]

H = TypeVar("H", bound=Handler)


class Listening:
    """Keeps the callbacks of a program, and hands them to the service when it runs.

    Args:
        is_told: whether the service has the role that calls them.
    """

    def __init__(self, storage: Storage, *, is_told: bool) -> None:
        self._storage, self._is_told = storage, is_told
        self._changing = threading.Lock()
        self._run: Run | None = None
        self._callbacks: dict[tuple[str, str], Callback] = {}

    @overload
    def on(
        self, *types: str, name: str, app: str = ..., start: Start = ..., give_up_after: int | None = ...
    ) -> Callable[[H], H]: ...

    @overload
    def on(
        self, *types: str, handler: H, name: str, app: str = ..., start: Start = ..., give_up_after: int | None = ...
    ) -> H: ...

    def on(
        self,
        *types: str,
        handler: H | None = None,
        name: str,
        app: str = "default",
        start: Start = "now",
        give_up_after: int | None = None,
    ) -> Callable[[H], H] | H:
        """Register a function that is called with each event: as a decorator or as ``handler``, also after ``start``.

        It is called in a thread, or, if it is a coroutine function, in the service's event loop, which it must not block.
        Events come one at a time, in the feed's order, at least once; whatever the function raises makes it be called again
        with the same event, after 1 s doubling to 5 min, unless that is ``Skip``.

        Args:
            types: of events, as webhooks take them: ``message.bounced``, ``message.*``, ``*``.
            name: of the position in the feed, which is kept in the database: 1 to 100 of the characters ``a-z 0-9 . _ -``.
            app: the app's name.
            start: where a new name begins in the feed: ``now``, or at the ``beginning``.
            give_up_after: so many tries with one event, after which it is passed over; None repeats for ever.

        Raises:
            ValueError: an argument has no such form, the name is taken, or this service has not the role ``notify``.
        """

        def register(handler: H) -> H:
            wanted = Callback(
                types=types, name=name, handler=handler, app=app, start=start, give_up_after=give_up_after
            )
            self._register(wanted)
            return handler

        return register if handler is None else register(handler)

    def skip(self, name: str, event_id: str, *, app: str = "default") -> None:
        """Pass over the event at which a callback fails, for good.

        Raises:
            LookupError: there is no such callback, or it does not fail at this event.
            SettingsError, TablesMissing, Unavailable: as ``start``.
        """
        database = self._storage.database()
        with database.write() as connection:
            skip(connection, app, name, event_id, now=database.now())

    def _register(self, callback: Callback) -> None:
        if not self._is_told:
            raise ValueError("callbacks are called by the role notify, which this service has not")
        with self._changing:
            if (callback.app, callback.name) in self._callbacks:
                raise ValueError(f"there is a callback {callback.name!r} of the app {callback.app!r} already")
            self._callbacks[callback.app, callback.name] = callback
            if self._run is not None:
                self._run.add_callback(callback)
