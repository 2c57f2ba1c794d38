"""A delivery worker on a database, with relays as its rows, and the results."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import insert, select, text, update

from mailsvc.apps.relay_book import RelayBook
from mailsvc.apps.relay_form import NewRelay
from mailsvc.apps.relay_row import relay_values
from mailsvc.delivery.worker import Context, DeliveryWorker
from mailsvc.domain.relay import Relay
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.outbox.shared_commit import SharedCommit
from mailsvc.runtime.heartbeat import Heartbeat
from mailsvc.runtime.wake import Bell
from mailsvc.store.database import Database
from mailsvc.store.tables import attempt, delivery, event, relay
from mailsvc.store.vault import Vault
from tests.support.messages import a_message

__all__ = ["Dispatch"]


@dataclass
class Dispatch:
    """One app's relays and messages in this database."""

    database: Database
    directory: Path

    def __post_init__(self) -> None:
        self.vault = Vault("k" * 40)

    def add(self, account: Relay, *, oauth: dict[str, Any] | None = None, **changes: Any) -> Relay:
        """Store this relay; ``changes`` are added to its stored settings unchecked."""
        known = {f.name for f in msgspec.structs.fields(NewRelay)}
        given = {name: getattr(account, name) for name in known if hasattr(account, name)}
        given |= {"rate": None, "oauth": oauth}
        given["timeouts"] = msgspec.to_builtins(account.timeouts)
        wanted = msgspec.convert(given, NewRelay)
        values = relay_values(wanted, self.vault)
        values["config"] = json.dumps(json.loads(values["config"]) | changes)
        now = self.database.now()
        with self.database.write() as connection:
            connection.execute(
                insert(relay).values(
                    id=account.id, app_id="app_1", created_at=now, updated_at=now, paused=False, managed=False, **values
                )
            )
        return account

    def put(self, account: Relay, count: int = 1, **draft: Any) -> None:
        """Accept this number of messages for the relay."""
        intake = SharedCommit(self.database, ring=lambda: None)
        for _ in range(count):
            made = a_message(relay=account, now=self.database.now(), **draft)
            intake.accept(IntakeRequest("app_1", [made], lambda _: Answer(202, b"{}")))
        intake.stop()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[DeliveryWorker]:
        """Run a worker until the block ends."""
        stop = asyncio.Event()
        worker = DeliveryWorker(
            Context(
                database=self.database,
                relays=RelayBook(self.database, self.vault),
                bell=Bell(self.directory),
                heartbeat=Heartbeat(self.database, ("deliver",)),
                journal_directory=self.directory / "journal",
                lease_seconds=60,
                verp_key=b"k" * 32,
            )
        )
        running = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            stop.set()
            await running

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table).where(*conditions)))

    def rows_as_they_are(self, table: str) -> list[Any]:
        """Return the table's rows, without conversion."""
        with self.database.read() as connection:
            return list(connection.execute(text(f"SELECT * FROM {table}")))  # noqa: S608

    def relay(self, account: Relay) -> Any:
        return self.rows(relay, relay.c.id == account.id)[0]

    def deliveries(self, account: Relay) -> list[Any]:
        return self.rows(delivery, delivery.c.relay_id == account.id)

    def statuses(self, account: Relay) -> set[str]:
        return {row.status for row in self.deliveries(account)}

    @property
    def attempts(self) -> int:
        return len(self.rows(attempt))

    def events(self, kind: str) -> list[dict[str, Any]]:
        rows = sorted(self.rows(event, event.c.type == kind), key=lambda row: row.position)
        return [json.loads(row.body)["data"] for row in rows]

    def skip_pause(self, account: Relay, worker: DeliveryWorker) -> None:
        """End the relay's pause now."""
        with self.database.write() as connection:
            connection.execute(update(relay).where(relay.c.id == account.id).values(retry_at=self.database.now()))
        lane = worker._lanes.by_id[account.id]
        lane.block(0)

    async def until(self, settled: Callable[[], Any], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(settled):
                await asyncio.sleep(0.02)
