"""Leases on due rows, for every table that is worked off: claim, extend, find due lanes.

A lease is a due time in the future. Claiming sets ``due_at`` to the end of the lease and raises a monotonic
``lease_token``; a crashed worker's rows fall due again by themselves, and whoever completes a row must still hold the
token it was claimed with. Rows are claimed per lane (a relay, a webhook), only as many as that lane can take now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Connection, TextClause, text

from mailsvc.store.bulk import decoder_of, listed
from mailsvc.telemetry import facts, log

__all__ = [
    "DELIVERIES",
    "SENT_JOBS",
    "WEBHOOKS",
    "DueDelivery",
    "DuePost",
    "DueSentJob",
    "Quota",
    "Worklist",
    "claim",
    "due_lanes",
    "extend",
    "overdue",
]


class DueDelivery(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A claimed row of ``delivery``."""

    id: str
    message_id: str
    relay_id: str
    recipient: str
    attempts: int
    lease_token: int
    uncertain: bool  # a worker died with it at "sending" (RFC 1047's window), and there was no attempt since
    expires_at: int | None
    app_id: str = ""
    forced: bool = False  # its sender wants it sent despite a suppression


class DuePost(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A claimed row of ``webhook_delivery``."""

    webhook_id: str
    event_id: str
    attempts: int
    lease_token: int
    created_at: int


class DueSentJob(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A claimed row of ``sent_job``."""

    id: str
    kind: str
    app_id: str
    relay_id: str
    message_id: str
    delivery_id: str | None
    sent_with: str | None
    claim_token: int | None
    until: int
    tries: int
    lease_token: int
    may_be_filed: bool
    created_at: int


Due = TypeVar("Due", DueDelivery, DuePost, DueSentJob)


@dataclass(frozen=True, slots=True)
class Worklist(Generic[Due]):
    """A table that is worked off by leases."""

    table: str
    keys: tuple[str, ...]
    lane: str
    leased: str  # columns that a claim sets, besides the lease itself
    columns: tuple[str, ...]
    decode: Callable[[str], list[Due]]


# Once uncertain, a delivery stays so through any number of claims without a result: see ``outcomes.record``.
_UNCERTAIN = "uncertain OR status = 'sending'"

DELIVERIES = Worklist(
    table="mailsvc_delivery",
    keys=("id",),
    lane="relay_id",
    leased=f"uncertain = ({_UNCERTAIN}), status = 'sending'",
    columns=DueDelivery.__struct_fields__,
    decode=decoder_of(DueDelivery),
)
WEBHOOKS = Worklist(
    table="mailsvc_webhook_delivery",
    keys=("webhook_id", "event_id"),
    lane="webhook_id",
    leased="status = 'sending'",
    columns=DuePost.__struct_fields__,
    decode=decoder_of(DuePost),
)
SENT_JOBS = Worklist(
    table="mailsvc_sent_job",
    keys=("id",),
    lane="relay_id",
    leased="status = 'sending'",
    columns=DueSentJob.__struct_fields__,
    decode=decoder_of(DueSentJob),
)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many rows of one lane may be claimed now."""

    id: str
    limit: int


def claim(
    connection: Connection,
    worklist: Worklist[Due],
    lanes: Sequence[Quota],
    *,
    owner: str,
    now: int,
    until: int,
) -> list[Due]:
    """Lease the oldest due rows of each lane to ``owner`` until the instant ``until``.

    Returns:
        The claimed rows, with their new ``lease_token``.
    """
    if not lanes:
        return []
    values: dict[str, Any] = {"owner": owner, "now": now, "until": until}
    for n, lane in enumerate(lanes):
        values[f"lane{n}"], values[f"limit{n}"] = lane.id, lane.limit
    claim_ = _claim_on_sqlite if connection.dialect.name == "sqlite" else _claim_on_postgresql
    return claim_(connection, worklist, len(lanes), values)


def _claim_on_sqlite(connection: Connection, worklist: Worklist[Due], lanes: int, values: dict[str, Any]) -> list[Due]:
    """Select, then lease: no other writer can come in between, and one document is read instead of rows."""
    document = connection.execute(_sqlite_pick(worklist, lanes), values).scalar_one()
    rows: list[Due]
    odd: list[Any]
    rows, odd = _decoded(worklist, document)
    if rows or odd:
        keys = listed([*map(attrgetter(*worklist.keys), rows), *odd])
        connection.execute(_sqlite_lease(worklist), {**values, "keys": keys})
    return rows


def _decoded(worklist: Worklist[Due], document: str) -> tuple[list[Due], list[Any]]:
    """The rows, and the keys of unreadable ones, which are leased too so that they don't block others."""
    try:
        return worklist.decode(document), []
    except msgspec.ValidationError:
        rows: list[Due] = []
        odd: list[Any] = []
        for row in msgspec.json.decode(document):
            named = dict(zip(worklist.columns, row, strict=True))
            keys = tuple(named[key] for key in worklist.keys)
            try:
                rows += worklist.decode(msgspec.json.encode([row]).decode())
            except msgspec.ValidationError as error:
                odd.append(keys[0] if len(keys) == 1 else list(keys))
                log.error(f"a row of {worklist.table} can't be read", extra=facts(row=keys, error=str(error)))
        return rows, odd


def _claim_on_postgresql(
    connection: Connection, worklist: Worklist[Due], lanes: int, values: dict[str, Any]
) -> list[Due]:
    document = connection.execute(_postgresql_claim(worklist, lanes), values).scalar()
    return _decoded(worklist, document)[0] if document else []


# All names in these statements are constants of this module.

_LEASE = "due_at = :until, lease_token = lease_token + 1, lease_owner = :owner, updated_at = :now"


@lru_cache(maxsize=256)
def _sqlite_pick(worklist: Worklist[Any], lanes: int) -> TextClause:
    new = {"lease_token": "lease_token + 1", "uncertain": _UNCERTAIN}
    values = ", ".join(new.get(name, name) for name in worklist.columns)
    picked = _picked(worklist, lanes, columns=", ".join({*worklist.columns, "lease_token", "status"}))
    return text(f"SELECT json_group_array(json_array({values})) FROM ({picked})")  # noqa: S608


@lru_cache(maxsize=8)
def _sqlite_lease(worklist: Worklist[Any]) -> TextClause:
    keys = worklist.keys
    row, picked = (keys[0], "value") if len(keys) == 1 else (f"({', '.join(keys)})", "value ->> 0, value ->> 1")
    return text(
        f"UPDATE {worklist.table} SET {worklist.leased}, {_LEASE} "  # noqa: S608
        f"WHERE {row} IN (SELECT {picked} FROM json_each(:keys))"
    )


@lru_cache(maxsize=256)
def _postgresql_claim(worklist: Worklist[Any], lanes: int) -> TextClause:
    keys = ", ".join(worklist.keys)
    return text(
        f"WITH picked AS MATERIALIZED ({_picked(worklist, lanes, columns=keys, locking='FOR UPDATE SKIP LOCKED')}), "  # noqa: S608
        f"claimed AS (UPDATE {worklist.table} SET {worklist.leased}, {_LEASE} "
        f"WHERE ({keys}) IN (SELECT {keys} FROM picked) AND due_at <= :now RETURNING {', '.join(worklist.columns)}) "
        f"SELECT CAST(json_agg(json_build_array({', '.join(worklist.columns)})) AS text) FROM claimed"
    )


def _picked(worklist: Worklist[Any], lanes: int, *, columns: str, locking: str = "") -> str:
    # A live owner still works on its own expired leases: the clock jumped or the work is slow; they are not lost.
    return " UNION ALL ".join(
        f"SELECT {columns} FROM (SELECT {columns} FROM {worklist.table} "  # noqa: S608
        f"WHERE {worklist.lane} = :lane{n} AND due_at <= :now AND NOT (status = 'sending' AND lease_owner = :owner) "
        f"ORDER BY due_at LIMIT :limit{n} {locking}) AS arm{n}"
        for n in range(lanes)
    )


def extend(
    connection: Connection,
    worklist: Worklist[Any],
    leases: Sequence[dict[str, Any]],
    *,
    until: int,
) -> int:
    """Extend leases that are still held; each names its keys and ``lease_token``. Returns how many."""
    condition = " AND ".join(f"{key} = :{key}" for key in worklist.keys)
    statement = text(
        f"UPDATE {worklist.table} SET due_at = :until "  # noqa: S608
        f"WHERE {condition} AND lease_token = :lease_token AND due_at IS NOT NULL AND status = 'sending'"
    )
    return sum(connection.execute(statement, {**lease, "until": until}).rowcount for lease in leases)


def overdue(connection: Connection, worklist: Worklist[Any], *, owner: str, now: int) -> list[Any]:
    """Rows (keys and ``lease_token``) that this owner holds although the lease has expired.

    ``claim`` leaves them to their living owner. Those that it knows nothing of were claimed by a transaction whose answer
    was lost with the connection. Reads all unfinished rows.
    """
    columns = ", ".join((*worklist.keys, "lease_token"))
    statement = text(
        f"SELECT {columns} FROM {worklist.table} "  # noqa: S608
        "WHERE due_at IS NOT NULL AND due_at <= :now AND status = 'sending' AND lease_owner = :owner"
    )
    return list(connection.execute(statement, {"owner": owner, "now": now}))


def due_lanes(connection: Connection, worklist: Worklist[Any], *, after: str, limit: int) -> list[tuple[str, int]]:
    """The next lanes beyond ``after`` that have unfinished rows, each with the due time of its first row.

    It jumps from lane to lane through the index, so that a backlog of a million rows in one lane costs one step.
    """
    table, lane = worklist.table, worklist.lane
    statement = text(
        f"WITH RECURSIVE lanes(id, n) AS ("  # noqa: S608
        f"SELECT (SELECT min({lane}) FROM {table} WHERE due_at IS NOT NULL AND {lane} > :after), 1 UNION ALL "
        f"SELECT (SELECT min({lane}) FROM {table} WHERE due_at IS NOT NULL AND {lane} > lanes.id), n + 1 "
        f"FROM lanes WHERE lanes.id IS NOT NULL AND n < :limit) "
        f"SELECT id, (SELECT min(due_at) FROM {table} WHERE {lane} = lanes.id AND due_at IS NOT NULL) FROM lanes WHERE id IS NOT NULL"
    )
    rows = connection.execute(statement, {"after": after, "limit": limit}).all()
    return [(row[0], row[1]) for row in rows if row[1] is not None]
