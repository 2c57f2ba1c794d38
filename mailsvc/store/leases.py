"""Leases on due rows, written once for every table that is worked off: claim, extend, find what is due.

A lease is a due time in the future. Claiming sets ``due_at`` to the end of the lease and raises a monotonic
``lease_token``; a crashed worker's rows fall due again by themselves, and whoever completes a row must still hold the
token it was claimed with. Rows are claimed per lane (a relay, a webhook), only as many as that lane can take now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from mailsvc.store.database import Dialect

__all__ = ["DELIVERIES", "WEBHOOKS", "Lane", "Worklist", "claim", "due_lanes", "extend", "overdue"]


@dataclass(frozen=True, slots=True)
class Worklist:
    """A table that is worked off by leases."""

    table: str
    keys: tuple[str, ...]
    lane: str
    leased: str  # what a claim sets besides the lease itself
    returning: tuple[str, ...]


DELIVERIES = Worklist(
    table="mailsvc_delivery",
    keys=("id",),
    lane="relay_id",
    # A row that is claimed while it says "sending" was left behind by a worker that vanished (RFC 1047's window).
    leased="uncertain = (status = 'sending'), status = 'sending'",
    returning=(
        "id",
        "message_id",
        "app_id",
        "relay_id",
        "recipient",
        "attempts",
        "lease_token",
        "uncertain",
        "expires_at",
    ),
)
WEBHOOKS = Worklist(
    table="mailsvc_webhook_delivery",
    keys=("webhook_id", "event_id"),
    lane="webhook_id",
    leased="status = 'sending'",
    returning=("webhook_id", "event_id", "attempts", "lease_token", "created_at"),
)


@dataclass(frozen=True, slots=True)
class Lane:
    """How many rows of one lane may be claimed now."""

    id: str
    limit: int


def claim(
    connection: Connection,
    worklist: Worklist,
    lanes: Sequence[Lane],
    *,
    owner: str,
    now: int,
    until: int,
) -> list[Any]:
    """Lease the oldest due rows of each lane to ``owner`` until the instant ``until``.

    Returns:
        The claimed rows, with their new ``lease_token``.
    """
    if not lanes:
        return []
    values: dict[str, Any] = {"owner": owner, "now": now, "until": until}
    for n, lane in enumerate(lanes):
        values[f"lane{n}"], values[f"limit{n}"] = lane.id, lane.limit
    dialect: Dialect = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
    return list(connection.execute(_claim_statement(worklist, len(lanes), dialect), values))


@lru_cache(maxsize=256)
def _claim_statement(worklist: Worklist, lanes: int, dialect: Dialect) -> TextClause:
    keys = ", ".join(worklist.keys)
    locking = "FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else ""
    # A live owner's own expired lease is still in its hands: the clock jumped or the work is slow, it is not lost.
    arms = " UNION ALL ".join(
        f"SELECT {keys} FROM (SELECT {keys} FROM {worklist.table} "  # noqa: S608 - names are constants of this module
        f"WHERE {worklist.lane} = :lane{n} AND due_at <= :now AND NOT (status = 'sending' AND lease_owner = :owner) "
        f"ORDER BY due_at LIMIT :limit{n} {locking}) AS arm{n}"
        for n in range(lanes)
    )
    row = keys if len(worklist.keys) == 1 else f"({keys})"
    return text(
        f"WITH picked AS MATERIALIZED ({arms}) "  # noqa: S608
        f"UPDATE {worklist.table} SET {worklist.leased}, due_at = :until, lease_token = lease_token + 1, "
        f"lease_owner = :owner, updated_at = :now WHERE {row} IN (SELECT {keys} FROM picked) AND due_at <= :now "
        f"RETURNING {', '.join(worklist.returning)}"
    )


def extend(
    connection: Connection,
    worklist: Worklist,
    leases: Sequence[dict[str, Any]],
    *,
    until: int,
) -> int:
    """Move the end of leases that are still held; each lease names its keys and ``lease_token``. Returns how many."""
    condition = " AND ".join(f"{key} = :{key}" for key in worklist.keys)
    statement = text(
        f"UPDATE {worklist.table} SET due_at = :until "  # noqa: S608
        f"WHERE {condition} AND lease_token = :lease_token AND due_at IS NOT NULL AND status = 'sending'"
    )
    return sum(connection.execute(statement, {**lease, "until": until}).rowcount for lease in leases)


def overdue(connection: Connection, worklist: Worklist, *, owner: str, now: int) -> list[Any]:
    """The rows, with their keys and ``lease_token``, that are leased to this owner although the lease has run out.

    ``claim`` leaves them to their living owner. Those that it knows nothing of were claimed by a transaction whose answer
    was lost with the connection. Reads all unfinished rows.
    """
    columns = ", ".join((*worklist.keys, "lease_token"))
    statement = text(
        f"SELECT {columns} FROM {worklist.table} "  # noqa: S608
        "WHERE due_at IS NOT NULL AND due_at <= :now AND status = 'sending' AND lease_owner = :owner"
    )
    return list(connection.execute(statement, {"owner": owner, "now": now}))


def due_lanes(connection: Connection, worklist: Worklist, *, after: str, limit: int) -> list[tuple[str, int]]:
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
