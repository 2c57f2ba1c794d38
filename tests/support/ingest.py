"""The worker that reads mailboxes, in a thread of the test's own process."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mailsvc.apps.apps import ensure_first_app
from mailsvc.apps.mailbox_form import NewMailbox
from mailsvc.apps.mailbox_row import mailbox_form, shown_mailbox
from mailsvc.apps.mailboxes import MailboxRules, create_mailbox, get_mailbox, resume_mailbox, update_mailbox
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.inbound.worker import IngestContext, IngestWorker
from mailsvc.runtime.heartbeat import Heartbeat
from mailsvc.runtime.wake import Bell
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival
from mailsvc.store.tables import event
from mailsvc.store.vault import Vault
from tests.support.faultyimap import FaultyImap
from tests.support.faultypop3 import FaultyPop3
from tests.support.sasl import PASSWORD, USER
from tests.support.waiting import wait_until

__all__ = ["Ingest", "running"]

RULES = MailboxRules(allow_plaintext=True, targets="any")


class Ingest:
    """One app with mailboxes, and the worker that reads them while ``running``."""

    def __init__(self, database: Database, directory: Path, **settings: Any) -> None:
        self.database, self.vault = database, Vault("k" * 40)
        heartbeat = Heartbeat(database, ("ingest",))
        heartbeat.join()
        self.worker = IngestWorker(
            IngestContext(
                database,
                self.vault,
                Settings(data_dir=directory, **settings),
                Bell(directory),
                heartbeat,
                AccessTokens(database, self.vault),
                lambda _: "any",
            )
        )
        with database.write() as connection:
            self.app_id = ensure_first_app(connection, now=database.now())

    def add(self, name: str = "support", **form: Any) -> str:
        """Create a mailbox. Returns its id."""
        wanted = NewMailbox(**{"name": name, "first_read": "all", "poll_interval": 1, **form})
        made = create_mailbox(self.database, self.app_id, wanted, vault=self.vault, rules=RULES)
        self.worker.wake()
        return str(made.id)

    def add_faulty(self, server: FaultyImap | FaultyPop3, name: str = "support", **form: Any) -> str:
        """Create a mailbox of a server that follows a script."""
        account = server.account()
        protocol = "imap" if isinstance(server, FaultyImap) else "pop3"
        at = {"host": account.host, "port": account.port, "tls": account.tls, "ca_pem": account.ca_pem}
        return self.add(name, **{"protocol": protocol, "username": USER, "password": PASSWORD, **at, **form})

    def change(self, id_: str, **changes: Any) -> None:
        def edit(row: Any) -> NewMailbox:
            form = mailbox_form(row, self.vault)
            return NewMailbox(**{name: getattr(form, name) for name in form.__struct_fields__} | changes)

        update_mailbox(self.database, self.app_id, id_, edit, vault=self.vault, rules=RULES)
        self.worker.wake()

    def resume(self, id_: str) -> None:
        resume_mailbox(self.database, self.app_id, id_)
        self.worker.wake()

    def shown(self, id_: str) -> dict[str, Any]:
        return shown_mailbox(get_mailbox(self.database, self.app_id, id_))

    # What came of it

    def arrivals(self) -> list[Any]:
        """The rows of those that are classified, oldest first."""
        return self._all(select(arrival).where(arrival.c.kind.is_not(None)).order_by(arrival.c.id))

    def subjects(self) -> list[str]:
        return [row.subject for row in self.arrivals()]

    def told(self, family: str) -> list[tuple[str, str]]:
        """The type and reason of each event of this family, in their order."""
        bodies = [json.loads(row.body) for row in self._all(select(event).order_by(event.c.position))]
        return [(body["type"], body["data"]["reason"]) for body in bodies if body["type"].startswith(family)]

    def _all(self, query: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(query).all())

    def wait(self, id_: str, true_of: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until this is true of the mailbox, and return it."""
        wait_until(lambda: true_of(self.shown(id_)))
        return self.shown(id_)


@contextmanager
def running(ingest: Ingest) -> Iterator[Ingest]:
    """Let the worker work."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(ingest.worker.run(stop),))
    thread.start()
    try:
        yield ingest
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
