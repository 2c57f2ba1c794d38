"""Group commits: many small results, one thread, one transaction for as many as wait; kept while the database is away."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

from mailsvc import clock
from mailsvc.store.database import Database, explain, is_away
from mailsvc.telemetry import facts, log

__all__ = ["GroupWriter"]

T = TypeVar("T")
GROUP = 500
ENOUGH = 128  # results that make a commit worth its cost


class GroupWriter(Generic[T]):
    """A queue of results with one thread that commits them.

    Args:
        write: puts some results into the caller's transaction.
        settled: called from the thread with the results that are durable now.
        linger: seconds; commits that follow one another keep this distance, so that results gather in between.
        plainly: a result without what is not essential, written where the database does not take the whole.
    """

    def __init__(
        self,
        database: Database,
        *,
        write: Callable[[Connection, list[T]], None],
        settled: Callable[[list[T]], None],
        linger: float,
        plainly: Callable[[T], T] | None = None,
    ) -> None:
        self._database = database
        self._write = write
        self._settled = settled
        self._plainly = plainly
        self._linger = linger
        self._pending: list[T] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._linger_until = 0.0
        self.unsettled = 0  # results that are not durable yet
        self._thread = threading.Thread(target=self._run, name="group-writer", daemon=True)
        self._thread.start()

    def put(self, result: T) -> None:
        """Have it written, soon and for certain."""
        with self._changed:
            self._pending.append(result)
            self.unsettled += 1
            # A lingering writer is not woken for every result: waking a thread costs as much as writing some of them.
            if len(self._pending) == 1 or len(self._pending) == ENOUGH:
                self._changed.notify()

    def stop(self, timeout: float) -> bool:
        """Write what is pending, for at most ``timeout`` seconds. Returns whether nothing is left."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._stopping)
                self._changed.wait_for(self._is_worth_it, self._linger_until - clock.monotonic())
                group, self._pending = self._pending[:GROUP], self._pending[GROUP:]
            if not group:
                return
            self._commit(group)
            self._linger_until = clock.monotonic() + self._linger

    def _is_worth_it(self) -> bool:
        return self._stopping or len(self._pending) >= ENOUGH

    def _commit(self, group: list[T]) -> None:
        try:
            self._patiently(group)
        except Exception as error:  # noqa: BLE001 - whatever it was, the others must be written
            if len(group) > 1:
                for result in group:
                    self._commit([result])
                return
            log.exception("a result can't be written as it is", extra=facts(error=type(error).__name__))
            self._salvage(group[0])
        with self._changed:
            self.unsettled -= len(group)
        self._settled(group)

    def _salvage(self, result: T) -> None:
        """What happened counts more than its words: else the row would stay leased, and what was sent go out again."""
        if self._plainly is not None:
            try:
                self._patiently([self._plainly(result)])
            except Exception:  # noqa: BLE001 - there is nothing left to try
                log.exception("a result can't be written at all")

    def _patiently(self, group: list[T]) -> None:
        waits = wait_exponential(multiplier=0.1, max=5)
        for attempt in Retrying(
            retry=retry_if_exception(is_away),
            wait=waits,
            before_sleep=_complain,
            reraise=True,
        ):
            with attempt, self._database.write() as connection:
                self._write(connection, group)


def _complain(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    said = explain(error) if isinstance(error, SQLAlchemyError | OSError) else str(error)
    log.warning("results wait for the database", extra=facts(error=said))
