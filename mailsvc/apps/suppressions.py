"""The suppression list: addresses that an application must not mail. Kept in lower case."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from mailsvc import clock
from mailsvc.domain.ids import new_id
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.bulk import Document, among, listed
from mailsvc.store.tables import suppression

__all__ = ["Reason", "Suppression", "SuppressionList", "add_suppressions", "as_shown", "read_suppressions"]

Reason = Literal["manual", "hard_bounce", "complaint", "unsubscribe"]


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address to be added, and why."""

    app_id: str
    address: str
    reason: Reason
    tag: str = ""  # only messages with this tag; "" for all
    note: str | None = None
    event_id: str | None = None


class SuppressionList:
    """The entries that may cover some deliveries."""

    def __init__(self, entries: Iterable["_Entry"]) -> None:
        self._tags: dict[tuple[str, str], set[str]] = {}
        for entry in entries:
            self._tags.setdefault((entry.app_id, entry.address), set()).add(entry.tag)

    def __bool__(self) -> bool:
        return bool(self._tags)

    def covers(self, app_id: str, recipient: str, tags: Iterable[str]) -> bool:
        """Whether this app must not send a message with these tags to the recipient: an entry with a tag covers only those."""
        scopes = self._tags.get((app_id, recipient.lower()))
        return scopes is not None and not scopes.isdisjoint(("", *tags))


class _Entry(msgspec.Struct, array_like=True, gc=False):
    app_id: str
    address: str
    tag: str


_ENTRIES = Document(
    select(suppression.c.app_id, suppression.c.address, suppression.c.tag).where(
        among(suppression.c.app_id, "apps"), among(suppression.c.address, "addresses")
    ),
    _Entry,
)


def read_suppressions(connection: Connection, pairs: Iterable[tuple[str, str]]) -> SuppressionList:
    """What is listed of these pairs of an app's id and a recipient."""
    apps, recipients = set(), set()
    for app_id, recipient in pairs:
        apps.add(app_id)
        recipients.add(recipient.lower())
    return SuppressionList(_ENTRIES.read(connection, apps=listed(apps), addresses=listed(recipients)))


def add_suppressions(connection: Connection, wanted: Sequence[Suppression], *, now: int) -> list[dict[str, Any]]:
    """Add addresses that are not listed yet and tell about them. Returns the rows that are new."""
    if not wanted:
        return []
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    added = []
    for item in wanted:
        row = {
            "id": new_id("sup"),
            "app_id": item.app_id,
            "address": item.address.lower(),
            "reason": item.reason,
            "tag": item.tag,
            "note": item.note,
            "event_id": item.event_id,
            "created_at": now,
            "updated_at": now,
        }
        statement = insert(suppression).values(**row).on_conflict_do_nothing().returning(suppression.c.id)
        if connection.execute(statement).first():
            added.append(row)
    append_events(
        connection,
        [NewEvent(str(row["app_id"]), "suppression.added", as_shown(row)) for row in added],
        now=now,
    )
    return added


def as_shown(row: Any) -> dict[str, Any]:
    """A suppression as the API and events show it."""
    return {
        "id": row["id"],
        "address": row["address"],
        "reason": row["reason"],
        "tag": row["tag"] or None,
        "note": row["note"],
        "event_id": row["event_id"],
        "created_at": clock.rfc3339(row["created_at"]),
        "updated_at": clock.rfc3339(row["updated_at"]),
    }
