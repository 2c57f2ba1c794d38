"""Takes submissions up: a group becomes messages in the transaction that deletes its rows, so each exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete

from mailsvc.apps.apps import app_named
from mailsvc.domain.errors import FieldError, Invalid, Problem, Unavailable
from mailsvc.outbox.builder import MessageBuilder
from mailsvc.outbox.plan import Plan, plan_commit
from mailsvc.outbox.queue_limit import queue_full, within_room
from mailsvc.outbox.request import Answer
from mailsvc.outbox.submissions.check import Checked, NotYet, check_row, is_final
from mailsvc.outbox.submissions.refuse import Refused, refuse
from mailsvc.outbox.submissions.rows import Claim, Row, Wanted, claim, handle_of, unchanged
from mailsvc.outbox.submissions.settle import Settled, key_reused, request_of, settle, stored_under
from mailsvc.runtime.error_log import log_error
from mailsvc.store.bulk import carry_out, insertion
from mailsvc.store.database import commits_in_turn, is_away
from mailsvc.store.submission_tables import submission, taken_submission

__all__ = ["Group", "TakeUp"]

Left = tuple[Row, Exception]


@dataclass(slots=True)
class Group:
    """What became of a group of rows."""

    taken: int = 0  # messages that are stored now
    removed: int = 0  # rows that repeated one that was taken up before
    refused: int = 0
    left: list[Left] = field(default_factory=list)  # the rows that stay as they are, in the order of their ids
    is_full: bool = False  # there may be more rows
    last: str = ""  # the id of the last row

    @property
    def has_moved(self) -> bool:
        return bool(self.taken or self.removed or self.refused)

    @property
    def hindrance(self) -> Unavailable | None:
        """Why the whole service can't take messages now."""
        return next((error for _, error in self.left if isinstance(error, Unavailable)), None)


class _Failed(Exception):
    """The group could not be stored, for a reason that may be in one of its rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__(f"{len(rows)} submissions could not be stored")
        self.rows = rows


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The rows of a claim, checked."""

    good: list[Checked] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def without(self, gone: set[int | str]) -> "_Sorted":
        return _Sorted(
            [item for item in self.good if item.row.handle not in gone],
            [item for item in self.refused if item.row.handle not in gone],
            [item for item in self.left if item[0].handle not in gone],
        )


@dataclass(frozen=True, slots=True)
class TakeUp:
    """Takes up rows; in any process, beside any others.

    Args:
        builder: as the door ``POST /v1/messages`` has it.
        max_queue: deliveries that may wait at the same time.
    """

    builder: MessageBuilder
    max_queue: int | None = None

    def take_up(self, wanted: Wanted) -> Group:
        """Take up a group of rows.

        Raises:
            SQLAlchemyError, OSError: the database is away; nothing was changed.
        """
        try:
            return self._in_one_transaction(wanted)
        except _Failed as failed:
            if len(failed.rows) > 1:
                return self._one_by_one(failed.rows)
            error = failed.__cause__
            if not isinstance(error, Exception) or is_away(error):
                raise error or failed from None
            log_error(error, submission=failed.rows[0].id)
            return Group(left=[(failed.rows[0], error)])

    def _one_by_one(self, rows: Sequence[Row]) -> Group:
        """One bad row must not keep the others back."""
        whole = Group(is_full=True)
        for row in rows:
            group = self.take_up(Wanted(id=row.id))
            whole.taken, whole.removed = whole.taken + group.taken, whole.removed + group.removed
            whole.refused += group.refused
            whole.left += group.left
        return whole

    def _in_one_transaction(self, wanted: Wanted) -> Group:
        database = self.builder.database
        if database.dialect == "postgresql":
            with database.write() as connection:
                claimed = self._claim(connection, wanted)
                return self._stored(connection, claimed, self._sorted(connection, claimed))
        # SQLite has one writer: the messages are composed before its turn.
        with database.read() as connection:
            claimed = self._claim(connection, wanted)
            if not claimed.rows:
                return Group()
            sorted_ = self._sorted(connection, claimed)
        with database.write() as connection:
            gone = {row.handle for row in claimed.rows} - unchanged(connection, claimed)
            return self._stored(connection, claimed, sorted_.without(gone))

    def _claim(self, connection: Connection, wanted: Wanted) -> Claim:
        return claim(connection, wanted, largest=self.builder.limits.max_request_bytes)

    def _sorted(self, connection: Connection, claimed: Claim) -> _Sorted:
        """Check each row."""
        found = _Sorted()
        app_id = app_named(connection, claimed.rows[0].app.name) if claimed.rows else None
        for row in claimed.rows:
            try:
                if app_id is None:
                    raise Invalid(FieldError("app", f"there is no app {row.app.name[:100]!r}"))
                found.good.append(check_row(self.builder, app_id, row, claimed.drafts.get(row.handle)))
            except Exception as error:
                if is_away(error):
                    raise
                if is_final(error):
                    found.refused.append(Refused(row, app_id, error))
                    continue
                if not isinstance(error, Problem | NotYet):
                    log_error(error, submission=row.id)
                found.left.append((row, error))
        return found

    def _stored(self, connection: Connection, claimed: Claim, sorted_: _Sorted) -> Group:
        try:
            return self._store(connection, claimed, sorted_)
        except Exception as error:
            if is_away(error):
                raise
            raise _Failed(claimed.rows) from error

    def _store(self, connection: Connection, claimed: Claim, sorted_: _Sorted) -> Group:
        now, group = self.builder.database.now(), Group(left=sorted_.left, is_full=claimed.is_full)
        group.last = claimed.rows[-1].id if claimed.rows else ""
        settled = settle(connection, sorted_.good)
        stored = self._write_messages(connection, settled, now, group)
        stored |= {item.id: item.id for item in settled.known}
        stored |= {item.id: stored[first.id] for item, first in settled.followers if first.id in stored}
        gone = [item for item in sorted_.good if item.id in stored]
        group.removed = len(gone) - group.taken
        _delete(connection, [item.row for item in gone])
        known = {item.id for item in settled.known}
        _remember(connection, [(item, stored[item.id]) for item in gone if item.id not in known], now)
        refused = [Refused(item.row, item.new_message.app_id, problem) for item, problem in settled.refused]
        refuse(connection, [*sorted_.refused, *refused], now=now)
        group.refused = len(sorted_.refused) + len(refused)
        group.left.sort(key=lambda left: left[0].id)
        return group

    def _write_messages(self, connection: Connection, settled: Settled, now: int, group: Group) -> dict[str, str]:
        """Store what is new. Returns the messages' ids by those of the submissions; the first message's for a used key."""
        requests = [(item, request_of(item)) for item in settled.fresh]
        fitting = [request for _, request in requests]
        if self.max_queue is not None:
            carry_out(connection, commits_in_turn(connection.dialect.name))
            fitting = within_room(connection, fitting, self.max_queue, set())
        plan: Plan = plan_commit(connection, fitting, set(), now)
        carry_out(connection, plan.statements)
        answers = dict(zip(map(id, fitting), plan.answers, strict=True))
        stored = {}
        for item, request in requests:
            answer = answers.get(id(request)) or queue_full()
            if isinstance(answer, Answer):
                stored[item.id] = stored_under(answer)
                group.taken += not answer.replayed
            elif isinstance(answer, Unavailable):
                group.left.append((item.row, answer))
            else:
                settled.refused.append((item, key_reused()))
        return stored


def _delete(connection: Connection, rows: Sequence[Row]) -> None:
    if rows:
        handle = handle_of(connection.dialect.name)
        connection.execute(delete(submission).where(handle.in_([row.handle for row in rows])))


def _remember(connection: Connection, taken: Sequence[tuple[Checked, str]], now: int) -> None:
    rows = [
        {
            "id": item.id,
            "app_id": item.new_message.app_id,
            "message_id": message_id,
            "digest": item.digest,
            "created_at": now,
        }
        for item, message_id in taken
    ]
    carry_out(connection, insertion(connection.dialect.name, taken_submission, rows))
