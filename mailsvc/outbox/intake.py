"""Accepting: one writer that lets concurrent requests share commits, each answered only after its own is durable."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain, takewhile
from typing import Any

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from mailsvc.apps.suppressions import read_suppressions
from mailsvc.domain.errors import Conflict, FieldError, Invalid, Problem, Unavailable
from mailsvc.eventlog.append import prepare_news
from mailsvc.outbox.build import NewMessage
from mailsvc.outbox.queue_limit import queue_full, within_room
from mailsvc.store.bulk import Statement, carry_out, insertion
from mailsvc.store.database import Database, commits_in_turn, explain, is_away
from mailsvc.store.tables import body, delivery, idempotency, message, recipient
from mailsvc.telemetry import facts, log, meter

__all__ = ["Answer", "IdempotencyKey", "Intake", "Ticket"]

GROUP_BYTES = 8 * 1024 * 1024  # a commit this large takes about a tenth of a second
GROUP_MESSAGES = 2000
PATIENCE = 8.0  # seconds that a database may be away before the client is told to come back
TURN_SECONDS = 2.0  # how long a second use of an idempotency key waits for the first


_NOT_KEPT = "the message could not be stored; nothing was kept of it, send it again"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An idempotency key with the fingerprint of the request that it was used for."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told: an HTTP status and a JSON body."""

    status: int
    body: bytes
    replayed: bool = False


class _InDoubt(Exception):
    """The link was lost at the commit, and the database did not come back in time to say what became of it."""


def _promise() -> "Future[Answer] | asyncio.Future[Answer]":
    """For whoever asks: awaited where an event loop runs, waited for in any other thread."""
    try:
        return asyncio.get_running_loop().create_future()
    except RuntimeError:
        return Future()


@dataclass(slots=True, eq=False)
class Ticket:
    """One request's messages, which are stored together or not at all; ``done`` will hold what the client is told."""

    app_id: str
    new_messages: list[NewMessage]
    render: Callable[[Sequence[NewMessage]], Answer]
    idempotency_key: IdempotencyKey | None = None
    done: "Future[Answer] | asyncio.Future[Answer]" = field(default_factory=_promise)

    @property
    def size(self) -> int:
        return sum(len(c.content) for c in self.new_messages)

    @property
    def key(self) -> tuple[str, str] | None:
        """The idempotency key, among those of all apps."""
        return (self.app_id, self.idempotency_key.key) if self.idempotency_key else None


class Intake:
    """Stores tickets in groups. One thread writes; callers wait for their own ticket.

    Args:
        database: where.
        ring: called when something new is stored.
        max_queue: deliveries that may wait at the same time.
    """

    def __init__(self, database: Database, *, ring: Callable[[], None], max_queue: int | None = None) -> None:
        self._database, self._max_queue = database, max_queue
        self._ring = ring
        self._pending: list[Ticket] = []
        self._storing: list[Ticket] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def accept(self, ticket: Ticket) -> Answer:
        """Store a ticket durably and give its answer.

        Raises:
            Problem: see ``hand_in``.
        """
        self.hand_in(ticket)
        return ticket.done.result()

    def hand_in(self, ticket: Ticket) -> None:
        """Have a ticket stored durably.

        Its answer, or the Problem instead, comes to ``ticket.done``: an idempotency key that was used for another request
        or is still being handled, or Unavailable where the database can't take it now.

        Raises:
            Unavailable: the service is shutting down.
        """
        with self._wake:
            if self._stopping:
                raise Unavailable("the service is shutting down", retry_after=5)
            is_second = self._is_behind_another(ticket)
            self._pending.append(ticket)
            self._wake.notify()
        if is_second:
            timer = threading.Timer(TURN_SECONDS, self._give_up, [ticket])
            timer.daemon = True
            timer.start()

    def stop(self) -> None:
        """Store what was handed in, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def _is_behind_another(self, ticket: Ticket) -> bool:
        """Whether a ticket with the same idempotency key comes before it."""
        if ticket.key is None:
            return False
        ahead = chain(self._storing, takewhile(lambda other: other is not ticket, self._pending))
        return any(other.key == ticket.key for other in ahead)

    def _give_up(self, ticket: Ticket) -> None:
        with self._wake:
            if ticket not in self._pending or not self._is_behind_another(ticket):
                return  # it is being stored, or next
            self._pending.remove(ticket)
        problem = Conflict(
            "a request with this Idempotency-Key is still being handled", code="idempotency_in_flight", retry_after=1
        )
        _tell([(ticket, problem)])

    def _run(self) -> None:
        while True:
            with self._wake:
                self._storing = []
                while not self._pending and not self._stopping:
                    self._wake.wait()
                group, self._pending = _take_group(self._pending)
                self._storing = group
            if not group:
                return
            self._store(group)

    def _store(self, group: list[Ticket]) -> None:
        try:
            answers = self._store_together(group)
        except Exception as error:  # noqa: BLE001 - every waiter must be answered, whatever it was
            self._fall_back(group, error)
            return
        self._ring()
        meter.count("accepted", sum(len(t.new_messages) for t in group))
        _tell(list(zip(group, answers, strict=True)))

    def _fall_back(self, group: list[Ticket], error: Exception) -> None:
        if isinstance(error, _InDoubt):
            self._refuse(
                group,
                error.__cause__,
                "the database went away while the message was being stored, and may have kept it: send it again "
                "with the Idempotency-Key of this request, or look for it first if it had none",
            )
            self._refuse(self._take_back(), error.__cause__, _NOT_KEPT)
        elif len(group) > 1 and not self._has_lost_link(error):
            # One bad row must not fail its neighbours: each stands for itself.
            for ticket in group:
                self._store([ticket])
        elif is_away(error):
            group = group + self._take_back() if self._has_lost_link(error) else group
            self._refuse(group, error, _NOT_KEPT)
        else:
            _tell([(group[0], error)])

    def _take_back(self) -> list[Ticket]:
        """Those that waited behind a database that is away: their own time would only begin now."""
        with self._wake:
            waiting, self._pending = self._pending, []
        return waiting

    def _refuse(self, group: list[Ticket], error: BaseException | None, detail: str) -> None:
        said = explain(error) if isinstance(error, SQLAlchemyError | OSError) else str(error)
        log.warning("the database can't store", extra=facts(error=said))
        problem = Unavailable(detail, retry_after=2)
        _tell([(ticket, problem) for ticket in group])

    def _store_together(self, group: list[Ticket]) -> list[Answer | Problem]:
        """One transaction; repeated where the database goes away, even in the middle of a commit whose fate nobody knows."""
        deadline, again, was_taken = time.monotonic() + PATIENCE, False, False
        in_doubt: _InDoubt | None = None
        while True:
            try:
                return self._read_and_write(group, again=again)
            except IntegrityError:
                # Since we looked, another process took an idempotency key, or the server carried out our own commit whose
                # link was lost: look again, once, and once more for each link that is lost.
                if was_taken:
                    raise
                again = was_taken = True
            except (SQLAlchemyError, OSError, _InDoubt) as error:
                if isinstance(error, _InDoubt):
                    in_doubt = error
                elif not self._has_lost_link(error):
                    raise
                if time.monotonic() > deadline:
                    raise (in_doubt or error) from error.__cause__
                again, was_taken = True, False
                with self._wake:
                    self._wake.wait(0.2)

    def _has_lost_link(self, error: Exception) -> bool:
        return self._database.dialect == "postgresql" and is_away(error)

    def _read_and_write(self, group: list[Ticket], *, again: bool) -> list[Answer | Problem]:
        """Everything that can be made ready is, before the one writer's turn is taken: others wait for it."""
        if self._max_queue is not None:
            return self._write_within_room(group, self._max_queue, again=again)
        with self._database.read() as connection:
            known = _already_stored(connection, group) if again else set()
            plan = _plan(connection, group, known, self._database.now())
        if plan.statements:
            is_written = False
            try:
                with self._database.write() as connection:
                    carry_out(connection, plan.statements)
                    is_written = True
            except (SQLAlchemyError, OSError) as error:
                if is_written and self._has_lost_link(error):
                    raise _InDoubt from error
                raise
        return plan.answers

    def _write_within_room(self, group: list[Ticket], most: int, *, again: bool) -> list[Answer | Problem]:
        """All in one transaction that no other intake's overlaps with: how many wait is true until its commit."""
        is_written = False
        try:
            with self._database.write() as connection:
                carry_out(connection, commits_in_turn(connection.dialect.name))
                known = _already_stored(connection, group) if again else set()
                fitting = within_room(connection, group, most, known)
                plan = _plan(connection, fitting, known, self._database.now())
                carry_out(connection, plan.statements)
                is_written = True
        except (SQLAlchemyError, OSError) as error:
            if is_written and self._has_lost_link(error):
                raise _InDoubt from error
            raise
        answers = dict(zip(map(id, fitting), plan.answers, strict=True))
        return [answers.get(id(ticket)) or queue_full() for ticket in group]


def _tell(outcomes: "Sequence[tuple[Ticket, Answer | Exception]]") -> None:
    """Each waiter its own; an event loop is woken once for all of them."""
    awaited: dict[asyncio.AbstractEventLoop, list[tuple[Ticket, Answer | Exception]]] = {}
    for ticket, outcome in outcomes:
        if isinstance(ticket.done, asyncio.Future):
            awaited.setdefault(ticket.done.get_loop(), []).append((ticket, outcome))
        else:
            _settle([(ticket, outcome)])
    for loop, some in awaited.items():
        with contextlib.suppress(RuntimeError):  # it is closed, so nobody waits any more
            loop.call_soon_threadsafe(_settle, some)


def _settle(outcomes: "Sequence[tuple[Ticket, Answer | Exception]]") -> None:
    for ticket, outcome in outcomes:
        if ticket.done.done():
            continue  # whoever awaited it has gone away
        if isinstance(outcome, Exception):
            ticket.done.set_exception(outcome)
        else:
            ticket.done.set_result(outcome)


def _take_group(pending: list[Ticket]) -> tuple[list[Ticket], list[Ticket]]:
    """As many tickets as make a good commit; a second use of an idempotency key waits for the next group."""
    group: list[Ticket] = []
    keys: set[tuple[str, str]] = set()
    size = count = 0
    for n, ticket in enumerate(pending):
        key = ticket.key
        if group and (
            size + ticket.size > GROUP_BYTES or count + len(ticket.new_messages) > GROUP_MESSAGES or key in keys
        ):
            return group, pending[n:]
        group.append(ticket)
        size, count = size + ticket.size, count + len(ticket.new_messages)
        if key:
            keys.add(key)
    return group, []


def _already_stored(connection: Connection, group: list[Ticket]) -> set[str]:
    ids = [c.message["id"] for t in group for c in t.new_messages]
    return set(connection.execute(select(message.c.id).where(message.c.id.in_(ids))).scalars())


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a group's transaction will write, and what its requests will be told then."""

    answers: list[Answer | Problem]
    statements: list[Statement]


def _plan(connection: Connection, group: list[Ticket], known: set[str], now: int) -> _Plan:
    answers = _replays(connection, group, known)
    fresh = [t for t in group if id(t) not in answers]
    new_messages = [c for t in fresh for c in t.new_messages if c.message["id"] not in known]
    _suppress(connection, new_messages, now)
    for ticket in fresh:
        answers[id(ticket)] = ticket.render(ticket.new_messages)
    pledged = [t for t in fresh if not known.issuperset(c.message["id"] for c in t.new_messages)]
    deliveries = list(chain.from_iterable(c.deliveries for c in new_messages))
    rows = {
        message: [c.message for c in new_messages],
        body: [{"message_id": c.message["id"], "content": c.content} for c in new_messages],
        delivery: deliveries,
        recipient: _recipient_rows(new_messages),
        idempotency: _pledge_rows(pledged, answers, now),
    }
    dialect = connection.dialect.name
    statements = [statement for table, some in rows.items() for statement in insertion(dialect, table, some)]
    if news := [n for c in new_messages for n in c.news()]:
        statements += commits_in_turn(dialect) + prepare_news(connection, news, now=now)
    return _Plan([answers[id(t)] for t in group], statements)


def _recipient_rows(new_messages: list[NewMessage]) -> list[dict[str, Any]]:
    """Whoever asks for an address means it in whatever case, as suppressions do."""
    rows = []
    for new_message in new_messages:
        common = {"app_id": new_message.app_id, "message_id": new_message.message["id"]}
        addresses = dict.fromkeys(row["recipient"].lower() for row in new_message.deliveries)
        rows += [{"address": address, **common} for address in addresses]
    return rows


def _replays(connection: Connection, group: list[Ticket], known: set[str]) -> dict[int, Answer | Problem]:
    """The answers of tickets whose idempotency key was used before."""
    keyed = {
        (t.app_id, t.idempotency_key.key): t
        for t in group
        if t.idempotency_key and not any(c.message["id"] in known for c in t.new_messages)
    }
    if not keyed:
        return {}
    condition = tuple_(idempotency.c.app_id, idempotency.c.key).in_(list(keyed))
    answers: dict[int, Answer | Problem] = {}
    for row in connection.execute(select(idempotency).where(condition)):
        ticket = keyed[row.app_id, row.key]
        if ticket.idempotency_key and row.fingerprint == ticket.idempotency_key.fingerprint:
            answers[id(ticket)] = Answer(row.status, row.response.encode(), replayed=True)
        else:
            answers[id(ticket)] = Invalid(
                FieldError(
                    "Idempotency-Key",
                    "was used before with another request; use a new key for a new request",
                ),
                code="idempotency_mismatch",
            )
    return answers


def _pledge_rows(tickets: list[Ticket], answers: dict[int, Answer | Problem], now: int) -> list[dict[str, Any]]:
    rows = []
    for ticket in tickets:
        answer = answers[id(ticket)]
        if ticket.idempotency_key and isinstance(answer, Answer):
            rows.append(
                {
                    "app_id": ticket.app_id,
                    "key": ticket.idempotency_key.key,
                    "fingerprint": ticket.idempotency_key.fingerprint,
                    "status": answer.status,
                    "response": answer.body.decode(),
                    "created_at": now,
                }
            )
    return rows


def _suppress(connection: Connection, new_messages: list[NewMessage], now: int) -> None:
    """Apply the suppression list."""
    if listed := read_suppressions(
        connection, ((c.app_id, row["recipient"]) for c in new_messages for row in c.deliveries)
    ):
        for new_message in new_messages:
            new_message.suppress(listed, now)
