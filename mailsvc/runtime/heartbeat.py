"""The living workers: one row each, renewed by a heartbeat. They share the limits of relays evenly."""

import json
import os
import socket
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from mailsvc import clock
from mailsvc.domain.ids import new_id
from mailsvc.store.database import Database
from mailsvc.store.tables import worker
from mailsvc.telemetry import meter

__all__ = ["BEAT_SECONDS", "Heartbeat"]

BEAT_SECONDS = 4
LIVES_FOR = 15 * clock.SECOND


class Heartbeat:
    """This process's row, and what it knows of the other workers.

    A worker that joins waits one beat for the others to see it before it takes a share, so that all shares together never
    exceed a relay's limit; one that vanished is forgotten after 15 seconds.
    """

    def __init__(self, database: Database, roles: tuple[str, ...]) -> None:
        self.id = new_id("wrk")
        self._database = database
        self._roles = roles
        self._order: list[str] = [self.id]
        self._joined_at = clock.monotonic()
        self._joined_alone = True

    def share(self, limit: int) -> int:
        """This worker's part of a limit that all workers share."""
        if not self._joined_alone and clock.monotonic() - self._joined_at < 2 * BEAT_SECONDS:
            return 0
        rank = self._order.index(self.id) if self.id in self._order else len(self._order)
        each, left = divmod(limit, max(1, len(self._order)))
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
                    stats="{}",
                )
            )
            self._look_around(connection, now)
        self._joined_alone = len(self._order) == 1

    def beat(self) -> None:
        """Renew the row, and read which other workers live."""
        self._database.end_frozen_sessions()
        stats = json.dumps(meter.snapshot())
        with self._database.write() as connection:
            now = self._database.now()
            changed = connection.execute(update(worker).where(worker.c.id == self.id).values(seen_at=now, stats=stats))
            if changed.rowcount == 0:
                # The others took this process for dead (frozen, or disconnected): join again.
                self._joined_at, self._joined_alone = clock.monotonic(), False
                self._rejoin(connection, now, stats)
            connection.execute(delete(worker).where(worker.c.seen_at < now - LIVES_FOR))
            self._look_around(connection, now)

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

    def _look_around(self, connection: Connection, now: int) -> None:
        rows = connection.execute(
            select(worker.c.id, worker.c.roles).where(worker.c.seen_at >= now - LIVES_FOR).order_by(worker.c.id)
        )
        self._order = [row.id for row in rows if "deliver" in row.roles.split(",")]
