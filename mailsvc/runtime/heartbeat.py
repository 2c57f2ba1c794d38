"""The living workers: one row each, renewed by a heartbeat. They share the limits of relays evenly."""

import json
import os
import socket
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from mailsvc import clock
from mailsvc.domain.ids import new_id
from mailsvc.store.database import Database
from mailsvc.store.tables import worker
from mailsvc.telemetry import Meter

__all__ = ["BEAT_SECONDS", "Heartbeat", "process_name"]

BEAT_SECONDS = 4
LIVES_FOR = 15 * clock.SECOND


def process_name(number: int = 1) -> str:
    """The name of the worker with this number in this process: ``host/pid/number``."""
    return f"{socket.gethostname()}/{os.getpid()}/{number}"


class Heartbeat:
    """This process's row, and what it knows of the other workers.

    A worker that joins takes no share for two beats. By then every other worker has seen its row, so that all shares
    together never exceed a relay's limit. A worker that vanished is forgotten after 15 seconds.

    Args:
        name: shown to people, ``host/pid/number``.
        meter: the counters that the row carries.
    """

    def __init__(
        self,
        database: Database,
        roles: tuple[str, ...],
        *,
        name: str = "",
        meter: Meter | None = None,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.id = new_id("wrk")
        self.meter, self._name = meter or Meter(), name or process_name()
        self._database = database
        self._roles = roles
        self._monotonic = monotonic
        self._peers: dict[str, list[str]] = {}  # by role: the ids of all workers that have it
        self._joined_at = monotonic()
        self._joined_alone = True

    def share(self, limit: int, role: str = "deliver") -> int:
        """This worker's part of a limit that all workers of a role share."""
        if not self._joined_alone and self._monotonic() - self._joined_at < 2 * BEAT_SECONDS:
            return 0
        order = self._peers.get(role, [])
        rank = order.index(self.id) if self.id in order else len(order)
        each, left = divmod(limit, max(1, len(order)))
        return each + (1 if rank < left else 0)

    def join(self) -> None:
        """Write the row."""
        with self._database.write() as connection:
            now = self._database.now()
            connection.execute(
                insert(worker).values(
                    id=self.id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    roles=",".join(self._roles),
                    started_at=now,
                    seen_at=now,
                    stats=json.dumps({"name": self._name}),
                )
            )
            self._count_workers(connection, now)
        self._joined_alone = all(len(self._peers.get(role, ())) <= 1 for role in self._roles)

    def beat(self) -> None:
        """Renew the row, and read which other workers live."""
        self._database.end_frozen_sessions()
        stats = json.dumps({"name": self._name, **self.meter.snapshot()})
        with self._database.write() as connection:
            now = self._database.now()
            changed = connection.execute(update(worker).where(worker.c.id == self.id).values(seen_at=now, stats=stats))
            if changed.rowcount == 0:
                # The others took this process for dead (frozen, or disconnected): join again.
                self._joined_at, self._joined_alone = self._monotonic(), False
                self._rejoin(connection, now, stats)
            connection.execute(delete(worker).where(worker.c.seen_at < now - LIVES_FOR))
            self._count_workers(connection, now)

    def leave(self) -> None:
        """Remove the row."""
        with self._database.write() as connection:
            connection.execute(delete(worker).where(worker.c.id == self.id))

    def forget(self, owner: str) -> None:
        """Remove the row of a dead worker of this host."""
        with self._database.write() as connection:
            connection.execute(delete(worker).where(worker.c.id == owner))

    def _rejoin(self, connection: Connection, now: int, stats: str) -> None:
        row: dict[str, Any] = {
            "id": self.id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "roles": ",".join(self._roles),
        }
        connection.execute(insert(worker).values(**row, started_at=now, seen_at=now, stats=stats))

    def _count_workers(self, connection: Connection, now: int) -> None:
        rows = connection.execute(
            select(worker.c.id, worker.c.roles).where(worker.c.seen_at >= now - LIVES_FOR).order_by(worker.c.id)
        )
        peers: dict[str, list[str]] = {}
        for row in rows:
            for role in row.roles.split(","):
                peers.setdefault(role, []).append(row.id)
        self._peers = peers
