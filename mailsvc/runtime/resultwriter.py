"""Writes results that must not be lost: committed in groups, kept in memory while the database is away."""

import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

from mailsvc.runtime.groupcommit import GroupCommit, Stopped
from mailsvc.store.database import Database, explain, is_away
from mailsvc.telemetry import facts, log

__all__ = ["ResultWriter"]

T = TypeVar("T")
GROUP = 500
ENOUGH = 128  # results that are worth a commit


class ResultWriter(Generic[T]):
    """Writes results soon, and as often as it takes.

    Args:
        write: puts some results into the caller's transaction.
        settled: called from the writer's thread with the results that are durable now.
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
        self._database, self._write, self._settled, self._plainly = database, write, settled, plainly
        self._commits: GroupCommit[T] = GroupCommit(
            "result-writer", self._commit, length_of_group=lambda _: GROUP, linger=linger, enough=ENOUGH
        )

    def put(self, result: T) -> None:
        """Write the result; after ``stop`` it is left to the recovery after a crash."""
        with contextlib.suppress(Stopped):
            self._commits.put(result)

    @property
    def unsettled(self) -> int:
        """How many results are not durable yet."""
        return self._commits.unfinished

    def stop(self, timeout: float) -> bool:
        """Write what is pending, for at most ``timeout`` seconds. Returns whether nothing is left."""
        return self._commits.stop(timeout)

    def _commit(self, group: list[T]) -> None:
        try:
            self._write_patiently(group)
        except Exception as error:  # noqa: BLE001 - after any error, the others must be written
            if len(group) > 1:
                for result in group:
                    self._commit([result])
                return
            log.exception("a result can't be written as it is", extra=facts(error=type(error).__name__))
            self._write_essentials(group[0])
        self._settled(group)

    def _write_essentials(self, result: T) -> None:
        """Write a result without its words if it can't be written whole: else the row would stay leased and be sent again."""
        if self._plainly is not None:
            try:
                self._write_patiently([self._plainly(result)])
            except Exception:  # noqa: BLE001 - no further attempt is possible
                log.exception("a result can't be written at all")

    def _write_patiently(self, group: list[T]) -> None:
        waits = wait_exponential(multiplier=0.1, max=5)
        for attempt in Retrying(
            retry=retry_if_exception(is_away), wait=waits, before_sleep=_log_the_wait, reraise=True
        ):
            with attempt, self._database.write() as connection:
                self._write(connection, group)


def _log_the_wait(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    said = explain(error) if isinstance(error, SQLAlchemyError | OSError) else str(error)
    log.warning("results wait for the database", extra=facts(error=said))
