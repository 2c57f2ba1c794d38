"""The suppression list of an app: addresses that it must not mail, in lower case. Only this module writes the table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailsvc.apps.suppression_form import NewSuppression, Reason, check_note, checked_address, shown_suppression
from mailsvc.domain.errors import Conflict, NotFound
from mailsvc.domain.ids import new_id
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.store.bulk import Document, among, listed
from mailsvc.store.database import Database
from mailsvc.store.newest_first import newest_first
from mailsvc.store.tables import suppression

__all__ = [
    "Filter",
    "Suppression",
    "SuppressionList",
    "add_suppressions",
    "create_suppression",
    "delete_suppression",
    "get_suppression",
    "list_suppressions",
    "read_suppressions",
    "update_suppression",
]


@dataclass(frozen=True, slots=True)
class Suppression:
    """A new entry: an address, and why it must not be mailed."""

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
        """Whether this app must not send a message with these tags to the recipient.

        An entry with a tag covers only messages with that tag.
        """
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
    """Return the entries for these pairs of an app's id and a recipient."""
    apps, recipients = set(), set()
    for app_id, recipient in pairs:
        apps.add(app_id)
        recipients.add(recipient.lower())
    return SuppressionList(_ENTRIES.read(connection, apps=listed(apps), addresses=listed(recipients)))


def add_suppressions(connection: Connection, wanted: Sequence[Suppression], *, now: int) -> list[Any]:
    """Add the entries that are not listed yet, each with its event. Returns the new rows."""
    added = [row for item in wanted if (row := _insert(connection, item, now)) is not None]
    events = [NewEvent(row.app_id, "suppression.added", shown_suppression(row)) for row in added]
    append_events(connection, events, now=now)
    return added


@dataclass(frozen=True, slots=True)
class Filter:
    """The entries to list; an empty tuple means any."""

    addresses: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        columns = (
            (suppression.c.address, self.addresses),
            (suppression.c.reason, self.reasons),
            (suppression.c.tag, self.tags),
        )
        return [column.in_(values) for column, values in columns if values]


def list_suppressions(
    database: Database, app_id: str, wanted: Filter, *, before: str | None = None, limit: int
) -> Sequence[Any]:
    """Return the app's entries that match the filter, newest first, with an id below ``before``."""
    own = select(suppression).where(suppression.c.app_id == app_id, *wanted.conditions())
    with database.read() as connection:
        return connection.execute(newest_first(own, suppression.c.id, before=before, limit=limit)).all()


def get_suppression(database: Database, app_id: str, id_: str) -> Any:
    """Return one entry. Raises NotFound."""
    with database.read() as connection:
        return _find(connection, app_id, id_)


def create_suppression(database: Database, app_id: str, wanted: NewSuppression) -> Any:
    """Stop mailing an address.

    Raises:
        Invalid: for the first wrong field.
        Conflict: the address is listed already.
    """
    address = checked_address(wanted)
    entry = Suppression(app_id, address, wanted.reason, wanted.tag or "", wanted.note, wanted.event_id)
    with database.write() as connection:
        added = add_suppressions(connection, [entry], now=database.now())
        if not added:
            raise Conflict(f"{address} is suppressed already")
    return added[0]


def update_suppression(database: Database, app_id: str, id_: str, changes: Mapping[str, Any]) -> Any:
    """Change an entry's note or reason.

    Raises:
        NotFound: the app has no such entry.
        Invalid: the note can't be stored.
    """
    check_note(changes.get("note"))
    with database.write() as connection:
        _find(connection, app_id, id_)
        changed = update(suppression).where(suppression.c.id == id_).values(updated_at=database.now(), **changes)
        return connection.execute(changed.returning(suppression)).one()


def delete_suppression(database: Database, app_id: str, id_: str) -> None:
    """Mail the address again. Raises NotFound."""
    with database.write() as connection:
        row = _find(connection, app_id, id_)
        connection.execute(delete(suppression).where(suppression.c.id == id_))
        removed = NewEvent(app_id, "suppression.removed", shown_suppression(row))
        append_events(connection, [removed], now=database.now())


def _insert(connection: Connection, item: Suppression, now: int) -> Any:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
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
    statement = insert(suppression).values(**row).on_conflict_do_nothing().returning(suppression)
    return connection.execute(statement).first()


def _find(connection: Connection, app_id: str, id_: str) -> Any:
    row = connection.execute(select(suppression).where(suppression.c.id == id_, suppression.c.app_id == app_id)).first()
    if row is None:
        raise NotFound(f"there is no suppression {id_[:100]!r}")
    return row
