"""The reader of one mailbox in the test's own process, session by session, so that it can be ended at any point."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from sqlalchemy import select

from mailsvc.apps.apps import ensure_first_app
from mailsvc.apps.mailbox_form import NewMailbox
from mailsvc.apps.mailbox_row import mailbox_of
from mailsvc.apps.mailbox_state import FailedSession
from mailsvc.apps.mailboxes import MailboxRules, create_mailbox
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.findings.record import Terms
from mailsvc.inbound.arrivals import ArrivalRecorder
from mailsvc.inbound.imap_watch import ImapWatch
from mailsvc.inbound.intake import Intake, MemoryBudget
from mailsvc.inbound.pop3_watch import Pop3Watch
from mailsvc.inbox import leases
from mailsvc.inbox.leases import Lease
from mailsvc.mailaccess.account import Credentials
from mailsvc.runtime.wake import Bell
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body, mailbox, mailbox_task
from mailsvc.store.tables import event
from mailsvc.store.vault import Vault
from tests.support.mailhost import HOST, MailHost

__all__ = ["Crash", "Reading", "crash_at", "in_mailhost_of"]

PASSWORD = "pass wörd"


class Crash(BaseException):
    """Ends a session as kill -9 would: nothing is tidied up in the database, and the connection is lost."""


class Reading:
    """A mailbox, and as many sessions with it as a test wants."""

    def __init__(self, database: Database, directory: Path, **form: Any) -> None:
        self.database, self._vault = database, Vault("k" * 40)
        self.settings = Settings(data_dir=directory)
        terms = Terms("", self.settings.soft_bounce_limit)
        self.recorder = ArrivalRecorder(database, Bell(directory), terms, self._vault.signing_keys)
        with database.write() as connection:
            app_id = ensure_first_app(connection, now=database.now())
        wanted = NewMailbox(**{"name": "support", "first_read": "all", **form})
        rules = MailboxRules(allow_plaintext=True, targets="any")
        self.id: str = create_mailbox(database, app_id, wanted, vault=self._vault, rules=rules).id
        self.user = Credentials(wanted.username, wanted.password)
        self._sessions: ImapWatch | Pop3Watch | None = None
        self.lease: Lease | None = None

    def look(self) -> FailedSession | None:
        """Hold a session until all that is new was read and done. Returns what could not be done."""
        sessions, found = self._sessions or self.begin(), []

        def looked(trouble: FailedSession | None) -> None:
            found.append(trouble)
            self.stop.set()

        self._looked = looked
        self.stop.clear()
        try:
            sessions.run_session()
        except Crash:
            self._sessions = None  # a new process remembers nothing
            raise
        return found[-1]

    def begin(self) -> ImapWatch | Pop3Watch:
        """Take the lease, as a process does that begins to read the mailbox."""
        leases.release_all(self.database, "test")
        (self.lease,) = leases.claim(self.database, [self.id], owner="test")
        self.stop = threading.Event()
        found = mailbox_of(self._row(), self._vault)
        tokens = AccessTokens(self.database, self._vault)
        intake = Intake(self.database, self.settings, self.recorder, found, self.lease, MemoryBudget(64 << 20), tokens)
        kind = ImapWatch if found.protocol == "imap" else Pop3Watch
        self._sessions = kind(intake, self.stop, lambda trouble: self._looked(trouble))
        return self._sessions

    def _row(self) -> Any:
        return self._all(select(mailbox).where(mailbox.c.id == self.id))[0]

    # What came of it

    def arrivals(self) -> list[Any]:
        """The rows, oldest first."""
        return self._all(select(arrival).order_by(arrival.c.id))

    def subjects(self) -> list[str]:
        return [row.subject for row in self.arrivals()]

    def raw(self) -> list[bytes]:
        """The raw form of each arrival, oldest first."""
        return [row.content for row in self._all(select(arrival_body).order_by(arrival_body.c.arrival_id))]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(row.body) for row in self._all(select(event).order_by(event.c.position))]

    def told(self) -> list[str]:
        """The subjects of the arrivals that events told of, in their order."""
        return [body["data"]["subject"] for body in self.events() if body["type"] == "inbound.received"]

    def tasks(self) -> int:
        """How many mails something is still to be done to."""
        return len(self._all(select(mailbox_task)))

    def _all(self, query: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(query).all())


@contextmanager
def crash_at(target: Any, method: str, when: Literal["before", "after"], *, skip: int = 0) -> Iterator[None]:
    """Crash before or after a call of this method, after so many calls that go well."""
    original: Callable[..., Any] = getattr(target, method)
    left = skip

    def crashing(*given: Any, **named: Any) -> Any:
        nonlocal left
        if left > 0:
            left -= 1
            return original(*given, **named)
        if when == "before":
            raise Crash
        original(*given, **named)
        raise Crash

    with patch.object(target, method, crashing):
        yield


def in_mailhost_of(mailhost: MailHost, name: str, protocol: str) -> dict[str, Any]:
    """The form of a mailbox of a user of Dovecot."""
    mailhost.add_user(name, PASSWORD)
    return {
        "protocol": protocol,
        "host": HOST,
        "port": mailhost.imaps if protocol == "imap" else mailhost.pop3s,
        "ca_pem": mailhost.ca_pem,
        "username": name,
        "password": PASSWORD,
    }
