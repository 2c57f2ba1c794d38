"""The shared commit: stores the messages of several requests at once, and answers each only when they are durable."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from mailsvc.domain.errors import Conflict, Problem, Unavailable
from mailsvc.outbox.plan import Plan, plan_commit, stored_ids
from mailsvc.outbox.queue_limit import queue_full, within_room
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.runtime.groupcommit import GroupCommit, Stopped
from mailsvc.store.bulk import carry_out
from mailsvc.store.database import Database, commits_in_turn, explain, is_away, is_locked
from mailsvc.telemetry import Meter, facts, log

__all__ = ["SharedCommit"]

GROUP_BYTES = 8 * 1024 * 1024  # a commit this large takes about a tenth of a second
GROUP_MESSAGES = 2000
PATIENCE = 8.0  # seconds of a database outage, after which the client gets 503
RETRY_SECONDS = 0.2
TURN_SECONDS = 2.0  # how long a second use of an idempotency key waits for the first

_NOT_KEPT = "the message could not be stored; nothing was kept of it, send it again"
_PERHAPS_KEPT = (
    "the database went away while the message was being stored, and may have kept it: send it again "
    "with the Idempotency-Key of this request, or look for it first if it had none"
)


class _InDoubt(Exception):
    """The connection was lost during the commit, and the database did not come back in time to tell the result."""


class SharedCommit:
    """Stores requests; one thread writes, and concurrent requests share its commits.

    Args:
        database: where.
        ring: called when something new is stored.
        max_queue: deliveries that may wait at the same time.
    """

    def __init__(
        self,
        database: Database,
        *,
        ring: Callable[[], None],
        max_queue: int | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._database, self._ring, self._max_queue = database, ring, max_queue
        self._meter = meter or Meter()
        self._commits: GroupCommit[IntakeRequest] = GroupCommit("intake", self._store, length_of_group=_length_of_group)

    def accept(self, request: IntakeRequest) -> Answer:
        """Store a request durably and wait for its answer.

        Raises:
            Problem: see ``hand_in``.
        """
        self.hand_in(request)
        return request.done.result()

    def hand_in(self, request: IntakeRequest) -> None:
        """Have a request stored durably.

        Its answer, or the Problem instead, comes to ``request.done``: an idempotency key that was used for another request
        or is still being handled, or Unavailable where the database can't take it now.

        Raises:
            Unavailable: the service is shutting down.
        """
        try:
            self._commits.put(request)
        except Stopped:
            raise Unavailable("the service is shutting down", retry_after=5) from None
        if self._waits_for_its_key(request):
            timer = threading.Timer(TURN_SECONDS, self._give_up, [request])
            timer.daemon = True
            timer.start()

    def stop(self) -> None:
        """Store what was handed in, then end."""
        self._commits.stop()

    def _waits_for_its_key(self, request: IntakeRequest) -> bool:
        """Whether a request with the same idempotency key comes before it."""
        return request.key is not None and any(r.key == request.key for r in self._commits.ahead_of(request))

    def _give_up(self, request: IntakeRequest) -> None:
        if self._waits_for_its_key(request) and self._commits.withdraw(request):
            problem = Conflict(
                "a request with this Idempotency-Key is still being handled",
                code="idempotency_in_flight",
                retry_after=1,
            )
            _answer([(request, problem)])

    def _store(self, group: list[IntakeRequest]) -> None:
        try:
            answers = self._store_together(group)
        except Exception as error:  # noqa: BLE001 - every waiter needs an answer, whatever the error
            self._fall_back(group, error)
            return
        self._ring()
        self._meter.count("accepted", sum(len(request.new_messages) for request in group))
        _answer(list(zip(group, answers, strict=True)))

    def _fall_back(self, group: list[IntakeRequest], error: Exception) -> None:
        if isinstance(error, _InDoubt):
            _refuse(group, error.__cause__, _PERHAPS_KEPT)
            _refuse(self._commits.withdraw_all(), error.__cause__, _NOT_KEPT)
        elif len(group) > 1 and not self._must_wait(error):
            # One bad row must not fail the others: store each request alone.
            for request in group:
                self._store([request])
        elif is_away(error):
            # These waited while the database could not be reached; their own time limit would only start now.
            behind = self._commits.withdraw_all() if self._must_wait(error) else []
            _refuse(group + behind, error, _NOT_KEPT)
        else:
            _answer([(group[0], error)])

    def _store_together(self, group: list[IntakeRequest]) -> list[Answer | Problem]:
        """Store a group in one transaction; repeated if the connection is lost, even during the commit."""
        deadline, again, was_taken = time.monotonic() + PATIENCE, False, False
        in_doubt: _InDoubt | None = None
        while True:
            try:
                return self._plan_and_write(group, again=again)
            except IntegrityError:
                # Since the check, another process took an idempotency key, or the server completed our own commit,
                # whose connection was lost: check again, once, and once more per lost connection.
                if was_taken:
                    raise
                again = was_taken = True
            except (SQLAlchemyError, OSError, _InDoubt) as error:
                if isinstance(error, _InDoubt):
                    in_doubt = error
                elif not self._must_wait(error):
                    raise
                if time.monotonic() > deadline:
                    raise (in_doubt or error) from error.__cause__
                again, was_taken = True, False
                self._commits.pause(RETRY_SECONDS)

    def _has_lost_link(self, error: Exception) -> bool:
        return self._database.dialect == "postgresql" and is_away(error)

    def _must_wait(self, error: Exception) -> bool:
        """Whether nothing can be stored now, whatever it is."""
        return self._has_lost_link(error) or is_locked(error)

    def _plan_and_write(self, group: list[IntakeRequest], *, again: bool) -> list[Answer | Problem]:
        if self._max_queue is not None:
            return self._write_within_room(group, self._max_queue, again=again)
        # Everything is prepared before taking the write lock, because others wait for it.
        with self._database.read() as connection:
            stored = stored_ids(connection, group) if again else set()
            plan = plan_commit(connection, group, stored, self._database.now())
        if plan.statements:
            self._write(lambda connection: carry_out(connection, plan.statements))
        return plan.answers

    def _write_within_room(self, group: list[IntakeRequest], most: int, *, again: bool) -> list[Answer | Problem]:
        """Count and write in one transaction that overlaps with no other intake's, so that the count holds until the commit."""
        fitting: list[IntakeRequest] = []
        plans: list[Plan] = []

        def count_and_write(connection: Connection) -> None:
            carry_out(connection, commits_in_turn(connection.dialect.name))
            stored = stored_ids(connection, group) if again else set()
            fitting.extend(within_room(connection, group, most, stored))
            plans.append(plan_commit(connection, fitting, stored, self._database.now()))
            carry_out(connection, plans[0].statements)

        self._write(count_and_write)
        answers = dict(zip(map(id, fitting), plans[0].answers, strict=True))
        return [answers.get(id(request)) or queue_full() for request in group]

    def _write(self, write: Callable[[Connection], None]) -> None:
        """One transaction.

        Raises:
            _InDoubt: the link was lost at its commit.
        """
        is_written = False
        try:
            with self._database.write() as connection:
                write(connection)
                is_written = True
        except (SQLAlchemyError, OSError) as error:
            if is_written and self._has_lost_link(error):
                raise _InDoubt from error
            raise


def _length_of_group(waiting: Sequence[IntakeRequest]) -> int:
    """As many requests as make an efficient commit; a second use of an idempotency key waits for the next group."""
    keys: set[tuple[str, str]] = set()
    size = messages = 0
    for n, request in enumerate(waiting):
        size, messages = size + request.size, messages + len(request.new_messages)
        if n and (size > GROUP_BYTES or messages > GROUP_MESSAGES or request.key in keys):
            return n
        if request.key:
            keys.add(request.key)
    return len(waiting)


def _refuse(requests: list[IntakeRequest], error: BaseException | None, detail: str) -> None:
    said = explain(error) if isinstance(error, SQLAlchemyError | OSError) else str(error)
    log.warning("the database can't store", extra=facts(error=said))
    problem = Unavailable(detail, retry_after=2)
    _answer([(request, problem) for request in requests])


Answered = Sequence[tuple[IntakeRequest, Answer | Exception]]


def _answer(answered: Answered) -> None:
    """Give each request its answer; each event loop is woken once for all of its requests."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[IntakeRequest, Answer | Exception]]] = {}
    for request, answer in answered:
        if isinstance(request.done, asyncio.Future):
            by_loop.setdefault(request.done.get_loop(), []).append((request, answer))
        else:
            _set_results([(request, answer)])
    for loop, some in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is closed, so nobody waits any more
            loop.call_soon_threadsafe(_set_results, some)


def _set_results(answered: Answered) -> None:
    for request, answer in answered:
        if request.done.done():
            continue  # its waiter has been cancelled
        if isinstance(answer, Exception):
            request.done.set_exception(answer)
        else:
            request.done.set_result(answer)
