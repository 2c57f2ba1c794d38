"""From fetched mails to events: stored first, then classified. Reading stops while there is no room to store."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from mailsvc import clock
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.domain.mailbox import Mailbox
from mailsvc.inbound.arrivals import ArrivalRecorder
from mailsvc.inbox.keep import FetchedMail, KeptMail, keep
from mailsvc.inbox.leases import Lease
from mailsvc.outbox.admission import lack_of_room
from mailsvc.settings import Settings
from mailsvc.store.database import Database

__all__ = [
    "GROUP_BYTES",
    "GROUP_MAILS",
    "HEADER_LIMIT",
    "SMALL",
    "Intake",
    "MemoryBudget",
    "NoRoom",
    "Progress",
]

SMALL = (
    256 * 1024
)  # bytes of a mail: such mails are fetched together and kept in memory, larger ones alone and in a file
GROUP_BYTES, GROUP_MAILS = 1024 * 1024, 200  # of one commit
HEADER_LIMIT = 256 * 1024  # bytes that are kept of a header that stands for its mail


class NoRoom(Exception):
    """Nothing can be stored now; the text says why."""


class MemoryBudget:
    """Bounds the bytes of mails that all mailboxes have in memory at the same time; one portion is always allowed."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used = limit, 0
        self._changed = threading.Condition()

    @contextmanager
    def of(self, size: int) -> Iterator[None]:
        """Wait until there is room for so many bytes, and hold it."""
        with self._changed:
            self._changed.wait_for(lambda: self._used == 0 or self._used + size <= self._limit)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


class Progress:
    """When a session last got on: a server that sends a byte now and then must not hold it for ever."""

    def __init__(self) -> None:
        self.mark()

    def mark(self) -> None:
        """The session got on."""
        self._at = clock.monotonic()

    def stalled_for(self) -> float:
        """Seconds since the last mark."""
        return clock.monotonic() - self._at


class Background:
    """Runs one function at a time beside its caller."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def run(self, function: Callable[[], None]) -> None:
        """Begin with this function once the one before is done. Raises as ``wait``."""
        self.wait()
        self._thread = threading.Thread(target=self._carry_out, args=(function,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the function is done; raises what it raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _carry_out(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - it is raised to who waits
            self._error = error


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes in the mails of one mailbox while its lease is held."""

    database: Database
    settings: Settings
    recorder: ArrivalRecorder
    mailbox: Mailbox
    lease: Lease
    memory: MemoryBudget
    tokens: AccessTokens
    progress: Progress = field(default_factory=Progress)
    background: Background = field(default_factory=Background)

    def check_room(self) -> None:
        """Raises NoRoom while the disk is nearly full."""
        self.progress.mark()
        if lack := lack_of_room(self.settings):
            raise NoRoom(lack)

    def spool(self) -> IO[bytes]:
        """A file without a name for a mail that is being fetched: a slow server must not hold memory, nor delay others."""
        return SpooledTemporaryFile(max_size=SMALL, dir=str(self.settings.data_dir))

    def content_of(self, spool: IO[bytes], memory: ExitStack) -> bytes:
        """Return the mail in a spool once there is room for it, which ``memory`` holds."""
        memory.enter_context(self.memory.of(spool.tell()))
        spool.seek(0)
        return spool.read()

    def take(self, mails: Sequence[FetchedMail], **cursor: Any) -> None:
        """Store the mails and these columns of the cursor; what is new is classified while the next mails are fetched.

        Raises:
            LeaseLost: nothing was stored.
            SQLAlchemyError, OSError: the database is away, for these mails or for those before.
        """
        self.progress.mark()
        kept = keep(self.database, self.lease, self.mailbox, mails, **cursor)
        if kept:
            self.background.run(partial(self._record, kept))
        if any(len(mail.content) > SMALL for mail in kept):
            self.finish()  # its memory is held until it is classified

    def _record(self, kept: Sequence[KeptMail]) -> None:
        self.recorder.record(kept)

    def finish(self) -> None:
        """Wait until all that was taken in is classified. Raises as ``take``."""
        self.background.wait()
