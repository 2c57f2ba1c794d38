"""Whether a mailbox can be read: stores what its sessions find, and emits the events about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Connection, select, update

from mailsvc import clock
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.bulk import carry_out, update_of
from mailsvc.store.mailbox_tables import mailbox

__all__ = [
    "MAILBOX_REASONS",
    "FailedSession",
    "MailboxReason",
    "note_failed_session",
    "note_look",
    "note_looks",
    "note_sent_folder_error",
]

MailboxReason = Literal[
    "auth_refused",
    "unreachable",
    "tls",
    "folder_missing",
    "protocol_error",
    "throttled",
    "delete_unsupported",
    "oauth",
]
MAILBOX_REASONS: tuple[str, ...] = get_args(MailboxReason)
ENOUGH_FAILURES = 3
LONG_FAILURE = 5 * clock.MINUTE
_TOLD_AT_ONCE = ("auth_refused", "oauth")
_WORKS: dict[str, Any] = {"failures": 0, "failing_since": None, "retry_at": None}


@dataclass(frozen=True, slots=True)
class FailedSession:
    """Why a session ended, or what it can't do."""

    reason: MailboxReason
    detail: str  # one sentence
    retry_at: int | None = None


def note_failed_session(connection: Connection, mailbox_id: str, failed: FailedSession, *, now: int) -> bool:
    """Store why a session failed. Returns whether ``mailbox.failing`` was emitted.

    It is emitted at once for refused credentials, else after 3 failures in a row or 5 minutes; once until the mailbox
    recovers. A server that asks to wait is no failure for so long.
    """
    row = _locked(connection, mailbox_id)
    if row is None:
        return False
    failures, since = row.failures + (failed.reason != "throttled"), row.failing_since or now
    fails = failed.reason in _TOLD_AT_ONCE or failures >= ENOUGH_FAILURES or now - since >= LONG_FAILURE
    values = {
        "failures": failures,
        "failing_since": since,
        "retry_at": failed.retry_at,
        "failing": row.failing or fails,
    }
    return _store(connection, row, failed, values, now)


def note_look(connection: Connection, mailbox_id: str, trouble: FailedSession | None, *, now: int) -> bool:
    """Store that everything was read. Returns whether an event was emitted.

    Args:
        trouble: why arrived mails can't be moved or deleted, although they are read.
    """
    row = _locked(connection, mailbox_id)
    if row is None:
        return False
    values = {**_WORKS, "failing": trouble is not None, "last_read_at": now}
    return _store(connection, row, trouble, values, now)


def note_looks(connection: Connection, looked_at: Mapping[str, int]) -> None:
    """Store when these mailboxes, whose state is as it was, were read again."""
    rows = [{"id": id_, "last_read_at": at} for id_, at in looked_at.items()]
    carry_out(connection, update_of(connection.dialect.name, mailbox, ("id",), rows))


def note_sent_folder_error(connection: Connection, mailbox_id: str, error: str) -> None:
    """Show what went wrong in the Sent folder; the mailbox itself may be read as before."""
    connection.execute(update(mailbox).where(mailbox.c.id == mailbox_id).values(last_error=error))


def _locked(connection: Connection, mailbox_id: str) -> Any:
    return connection.execute(select(mailbox).where(mailbox.c.id == mailbox_id).with_for_update()).first()


def _store(
    connection: Connection, before: Any, trouble: FailedSession | None, values: dict[str, Any], now: int
) -> bool:
    values["status_reason"] = trouble.reason if trouble else None
    if trouble is not None:
        values["last_error"] = trouble.detail
    connection.execute(update(mailbox).where(mailbox.c.id == before.id).values(**values))
    if bool(before.failing) == values["failing"]:
        return False
    data = {
        "mailbox_id": before.id,
        "name": before.name,
        "reason": trouble.reason if trouble else before.status_reason,
        "detail": trouble.detail if trouble else "it can be read again",
        "retry_at": clock.rfc3339(values["retry_at"]) if values["retry_at"] is not None else None,
    }
    event_type = "mailbox.failing" if trouble else "mailbox.recovered"
    append_events(connection, [NewEvent(before.app_id, event_type, data)], now=now)
    return True
