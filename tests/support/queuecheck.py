"""A total-queue checker: compares promised messages with received ones; finds missing and surplus ones."""

import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import func, select, update

from mailsvc.delivery.journal import orphaned_journals as read_testaments
from mailsvc.domain.lifecycle import FINAL
from mailsvc.store.database import Database
from mailsvc.store.tables import delivery, event, message
from tests.support.receiver import Receiver
from tests.support.service import Service


@dataclass
class Ledger:
    """The messages that clients were promised by 202."""

    promised: set[str] = field(default_factory=set)  # "<message-id> recipient"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, answer: dict[str, Any]) -> None:
        with self.lock:
            self.promised.update(f"{answer['message_id']} {d['recipient']}" for d in answer["deliveries"])


class Clients:
    """Threads that post messages and repeat every request, with its key, until the response is 202."""

    def __init__(self, service: Service, ledger: Ledger, *, messages: int, threads: int = 4, seed: int = 7) -> None:
        self._service, self._ledger = service, ledger
        share = messages // threads
        self._threads = [
            threading.Thread(target=self._post_all, args=(share, random.Random(seed + n)), daemon=True)
            for n in range(threads)
        ]
        self.failed: list[str] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    @property
    def are_busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _post_all(self, count: int, chance: random.Random) -> None:
        key = self._service.api_key
        with httpx.Client(
            base_url=self._service.url, headers={"Authorization": f"Bearer {key}"}, timeout=15, trust_env=False
        ) as client:
            while count > 0:
                size = min(count, chance.choice((1, 1, 5, 20)))
                self._post_until_taken(client, size, chance)
                count -= size

    def _post_until_taken(self, client: httpx.Client, size: int, chance: random.Random) -> None:
        texts = [
            {
                "from": "app@app.test",
                "to": f"user{chance.randrange(10**9)}@example.test",
                "subject": "x",
                "text": "y" * 500,
            }
            for _ in range(size)
        ]
        path, body = ("/v1/messages", texts[0]) if size == 1 else ("/v1/messages/batch", {"messages": texts})
        headers = {"Idempotency-Key": str(uuid.UUID(int=chance.getrandbits(128)))}
        while True:
            try:
                answer = client.post(path, json=body, headers=headers)
            except httpx.HTTPError:
                time.sleep(0.05)
                continue
            if answer.status_code == 202:
                for entry in answer.json()["data"] if size > 1 else [answer.json()]:
                    self._ledger.add(entry)
                return
            if answer.status_code not in (409, 429, 500, 503):
                self.failed.append(answer.text)
                return
            time.sleep(0.1)


@dataclass(frozen=True)
class Verdict:
    """The result, in the terms of Jepsen: lost, duplicated, unexpected."""

    promised: int
    lost: int
    unexpected: int
    duplicated: int
    unfinished: int
    untold: int

    def __str__(self) -> str:
        return (
            f"promised {self.promised}, lost {self.lost}, unexpected {self.unexpected}, duplicated {self.duplicated}, "
            f"unfinished {self.unfinished}, untold {self.untold}"
        )

    def keeps_the_promise(self, messages: int, *, duplicates: int) -> bool:
        """Whether all of these were promised, none lost or made up, and each result recorded, with few duplicates."""
        faults = (self.lost, self.unexpected, self.unfinished, self.untold)
        return self.promised == messages and not any(faults) and self.duplicated <= duplicates


def wait_until_done(database: Database, seconds: float = 120) -> None:
    """Wait until no delivery is waiting."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with database.read() as connection:
            if not connection.execute(
                select(func.count()).select_from(delivery).where(delivery.c.due_at.is_not(None))
            ).scalar_one():
                return
        _skip_backoff(database)
        time.sleep(0.2)


def _skip_backoff(database: Database) -> None:
    """Skip the half minute that an uncertain delivery waits after a kill."""
    with database.write() as connection:
        waiting = (delivery.c.status == "deferred") & delivery.c.due_at.is_not(None)
        connection.execute(update(delivery).where(waiting).values(due_at=database.now()))


def judge(database: Database, ledger: Ledger, received: Counter[str]) -> Verdict:
    """Compare the promised, the recorded and the received messages."""
    final = {s.value for s in FINAL}
    with database.read() as connection:
        rows = connection.execute(
            select(message.c.message_id, delivery.c.recipient, delivery.c.status, delivery.c.id).join(
                message, message.c.id == delivery.c.message_id
            )
        ).all()
        told = set(connection.execute(select(event.c.delivery_id).where(event.c.type == "message.sent")).scalars())
    known = {f"{row.message_id} {row.recipient}" for row in rows}
    return Verdict(
        promised=len(ledger.promised),
        lost=len(ledger.promised - set(received)),
        unexpected=len(set(received) - known),
        duplicated=sum(count - 1 for count in received.values()),
        unfinished=sum(row.status not in final for row in rows),
        untold=sum(row.id not in told for row in rows if row.status == "sent"),
    )


def dots_in_flight(service: Service) -> int:
    """Count deliveries whose dot was sent before the kill, without a reply."""
    left = read_testaments(service.data_dir / "journal")
    return sum(
        len(entry.claims) for orphaned_journal in left for entry in orphaned_journal.entries if entry.reply is None
    )


def verdict_on(service: Service, ledger: Ledger, receiver: Receiver, url: str = "") -> Verdict:
    """Wait until all deliveries have ended, then judge; stops the receiver."""
    store = Database(url or f"sqlite:///{service.data_dir / 'mailsvc.db'}")
    wait_until_done(store)
    verdict = judge(store, ledger, receiver.received())
    store.close()
    receiver.stop()
    return verdict
