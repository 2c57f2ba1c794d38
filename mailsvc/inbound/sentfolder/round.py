"""One relay's due jobs, carried out in one session with the mailbox that is linked to it. For a thread that may wait."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.apps.mailbox_row import mailbox_of
from mailsvc.apps.mailbox_state import note_sent_folder_error
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.apps.sent_mailbox import NO_MAILBOX, sent_mailbox
from mailsvc.domain.targets import TargetPolicy
from mailsvc.imap.session import Session
from mailsvc.inbound.account import TIMEOUTS, server_of
from mailsvc.inbound.login import AnotherToken, log_in
from mailsvc.inbound.sentfolder.filing import fail_copy, file_copy
from mailsvc.inbound.sentfolder.folder import SentFolder
from mailsvc.inbound.sentfolder.lookup import fail_lookup, look_up
from mailsvc.mailaccess.errors import CommandRefused, MailAccessError, NotSupported, UnsendableArgument
from mailsvc.oauth.errors import OAuthError
from mailsvc.outcomes.sent_jobs import LEASE, end, is_void, release
from mailsvc.runtime.error_log import log_error
from mailsvc.runtime.wake import DELIVER, EVENTS, NOTIFY, Bell
from mailsvc.store.database import Database
from mailsvc.store.leases import DueSentJob
from mailsvc.store.sent_tables import LOOKUP
from mailsvc.store.vault import Vault, VaultError
from mailsvc.telemetry import Meter, facts, log

__all__ = ["Round", "SentFolders"]

# Of a round that was leased for ``LEASE``: jobs are begun, and then the session is ended unless a message is being filed.
BEGIN_SECONDS, SESSION_SECONDS = LEASE / clock.SECOND - 30, LEASE / clock.SECOND - 10


@dataclass(frozen=True, slots=True)
class SentFolders:
    """What rounds need."""

    database: Database
    vault: Vault
    bell: Bell
    tokens: AccessTokens
    targets_of: Callable[[str], TargetPolicy]  # which addresses an app's mailboxes may have
    meter: Meter = field(default_factory=Meter)


class Round:
    """The jobs of a relay that were claimed together.

    Attributes:
        jobs: those that are not done.
    """

    def __init__(self, folders: SentFolders, relay_id: str, jobs: Sequence[DueSentJob]) -> None:
        self.relay_id = relay_id
        self.jobs = sorted(jobs, key=lambda job: job.kind != LOOKUP)  # a delivery waits for a look-up
        self._folders, self._database = folders, folders.database
        self._deadline = clock.monotonic() + BEGIN_SECONDS
        self._is_stopped = False
        self._session: Session | None = None

    def stop(self) -> None:
        """End the session; any thread may call it."""
        self._is_stopped = True
        if self._session is not None:
            self._session.close()

    def carry_out(self) -> None:
        """Do what can be done, and put off the rest; raises SQLAlchemyError while the database is away."""
        self._drop_void()
        if not self.jobs or self._is_stopped:
            self._release()
            return
        with self._database.read() as connection:
            row = sent_mailbox(connection, self.relay_id)
        if row is None:
            self._without_mailbox()
        else:
            self._try_with(row)
        self._folders.bell.ring(DELIVER, NOTIFY, EVENTS)

    def _try_with(self, row: Any) -> None:
        try:
            self._work_with(row)
        except AnotherToken:
            pass  # the next round has it
        except (MailAccessError, OAuthError, VaultError) as error:
            self._failed(row, str(error))
        except (SQLAlchemyError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours must not keep deliveries waiting for ever
            log_error(error, mailbox=row.name)
            self._failed(row, f"unexpected: {type(error).__name__}")
        self._release()

    def _release(self) -> None:
        with self._database.write() as connection:
            release(connection, self.jobs, now=self._database.now())

    def _work_with(self, row: Any) -> None:
        folders = self._folders
        mailbox = mailbox_of(row, folders.vault, targets=folders.targets_of(row.app_id))
        session = self._session = Session(server_of(mailbox), timeouts=TIMEOUTS)
        folder = SentFolder(session, mailbox)
        folder.allow(SESSION_SECONDS)
        try:
            with session:
                session.open()
                log_in(session, mailbox, folders.tokens)
                self._do_each(folder, row)
                session.logout()
        finally:
            folder.allow(None)

    def _do_each(self, folder: SentFolder, row: Any) -> None:
        while self.jobs and clock.monotonic() < self._deadline and not self._is_stopped:
            job = self.jobs[0]
            try:
                result = (look_up if job.kind == LOOKUP else file_copy)(self._database, folder, job)
            except (CommandRefused, NotSupported, UnsendableArgument) as error:
                result = "failed"  # this one; the session goes on
                self._put_off([job], row, str(error))
            self._folders.meter.count(f"sent_folder.{job.kind}.{result}")
            del self.jobs[0]

    # What can't be done

    def _drop_void(self) -> None:
        """End look-ups of deliveries that don't wait for them any more."""
        with self._database.write() as connection:
            void = [job for job in self.jobs if job.kind == LOOKUP and is_void(connection, job)]
            for job in void:
                end(connection, job, "void", now=self._database.now())
        self.jobs = [job for job in self.jobs if job not in void]

    def _failed(self, row: Any, error: str) -> None:
        """The session failed: all that is left is tried again later, unless it was this process that ended it."""
        if not self._is_stopped:
            left, self.jobs = self.jobs, []
            self._put_off(left, row, error)

    def _put_off(self, jobs: Sequence[DueSentJob], row: Any, error: str) -> None:
        said = f"the Sent folder of the mailbox {row.name}: {error}"
        log.warning("a Sent folder can't be used", extra=facts(mailbox=row.name, error=error))
        for job in jobs:
            (fail_lookup if job.kind == LOOKUP else fail_copy)(self._database, job, said)
        with self._database.write() as connection:
            note_sent_folder_error(connection, row.id, said)

    def _without_mailbox(self) -> None:
        for job in self.jobs:
            if job.kind == LOOKUP:
                fail_lookup(self._database, job, NO_MAILBOX, is_final=True)
            else:
                fail_copy(self._database, job, NO_MAILBOX)
