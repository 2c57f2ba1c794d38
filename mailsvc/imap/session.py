"""One IMAP session with one folder, for a thread that may wait."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime

from mailsvc.imap import filing, folders, listing, reading, removing
from mailsvc.imap.client import batches
from mailsvc.imap.folders import Folder
from mailsvc.imap.limits import Limits
from mailsvc.imap.listing import Listed
from mailsvc.imap.login import log_in
from mailsvc.imap.opening import Link, Report
from mailsvc.imap.selected import SelectedFolder
from mailsvc.mailaccess.account import Credentials, Server, Timeouts
from mailsvc.mailaccess.errors import CommandRefused, MailAccessError, Stage

__all__ = ["Report", "Session", "Write"]

Write = Callable[[bytes], object]


class Session(AbstractContextManager["Session", None]):
    """Used by one thread, which leaves its context at the end; only ``close`` may be called by others.

    Where a command is refused (CommandRefused and its kinds, NotSupported, UnsendableArgument) the session goes on, except at
    the login. After any other error it has ended.

    Attributes:
        capabilities: what the server offers, upper case; nothing that it said before TLS is among it.
    """

    def __init__(self, server: Server, *, timeouts: Timeouts | None = None, limits: Limits | None = None) -> None:
        self._server = server
        self._link = Link(server, timeouts or Timeouts(), limits or Limits())
        self._folder = SelectedFolder()
        self.capabilities: frozenset[str] = frozenset()

    def __exit__(self, *exception: object) -> None:
        self._link.wire.release()

    def close(self) -> None:
        """End the session at once, from any thread: whoever waits for the server gets Unreachable."""
        self._link.wire.close()

    # Before the login

    def open(self, report: Report | None = None) -> None:
        """Connect, be greeted, protect the connection, ask for the capabilities.

        Args:
            report: told of each stage that is done, with a detail for people.

        Raises:
            Unreachable, TlsFailed, TemporarilyUnavailable, ProtocolViolation, ResponseTooLarge
        """
        self.capabilities = self._link.open(report or (lambda _stage, _detail: None))

    def login(self, credentials: Credentials) -> str:
        """Log in by the one way that fits best; a refusal ends the session. Returns the server's words.

        Raises:
            AuthRefused: the credentials; TemporarilyUnavailable and its kinds where the server says it is something else.
            NotSupported: the server offers no way for these credentials.
        """
        try:
            text = log_in(self._link.client, self._server, credentials, self.capabilities)
            self.capabilities = self._link.client.ask_capabilities()
        except MailAccessError:
            self._link.wire.release()
            raise
        return text

    # The folder

    def examine(self, folder: str) -> Folder:
        """Open a folder so that nothing in it can be changed; raises FolderMissing."""
        return self._folder.select(self._link.client, folder, readonly=True)

    def select(self, folder: str) -> Folder:
        """Open a folder; raises FolderMissing, or CommandRefused where it can only be read."""
        return self._folder.select(self._link.client, folder, readonly=False)

    def find_special(self, attribute: str) -> str | None:
        r"""The folder with a special use such as ``\Sent`` (RFC 6154)."""
        return folders.find_special(self._link.client, attribute)

    def find_sent(self) -> str | None:
        """The folder for sent mail, by its special use or a common name."""
        return folders.find_sent(self._link.client)

    @property
    def exists(self) -> int:
        """How many messages the folder has, as the server last said."""
        return self._link.client.connection.exists

    # Messages

    def uids_after(self, uid: int, *, limit: int = 10_000) -> tuple[int, ...]:
        """The lowest UIDs above that one, sorted; fewer than the limit need not be all, none are."""
        return listing.uids_after(self._link.client, uid, limit=limit)

    def sizes(self, uids: Iterable[int], *, dates: bool = False) -> dict[int, Listed]:
        """Size, flags and, if wanted, INTERNALDATE of each; those that are missing are gone."""
        found: dict[int, Listed] = {}
        for batch in batches(uids):
            found |= listing.list_each(self._link.client, batch, dates=dates)
        return found

    def fetch(self, uid: int, size: int, write: Write, *, chunk: int = 1024 * 1024) -> int:
        """Hand a message over piece by piece, no flag is set; where this raises, what was handed over is no message.

        Args:
            size: what ``sizes`` said.
            chunk: bytes that are asked for at once.

        Returns:
            How many bytes it had, which may be fewer.

        Raises:
            MessageGone: somebody removed it, before or while it was read.
            ResponseTooLarge: it has more bytes than its size; the session has ended.
        """
        return reading.fetch(self._link.client, uid, size, write, chunk=chunk)

    def fetch_small(self, sizes: Mapping[int, int]) -> dict[int, bytes]:
        """Return several messages whole, by one command; no flag is set, and those that are gone are missing.

        Args:
            sizes: what ``sizes`` said, by UID; 2 MiB together at most.

        Raises:
            ResponseTooLarge: one has more bytes than its size; the session has ended.
        """
        return reading.fetch_small(self._link.client, sizes)

    def fetch_header(self, uid: int, write: Write, *, limit: int) -> int:
        """Hand over a message's header, cut at so many bytes; raises MessageGone. Returns how many they were."""
        return reading.fetch_header(self._link.client, uid, write, limit=limit)

    def count_copies(self, message_id: str) -> int:
        """How many messages in the folder have exactly this Message-ID; raises UnsendableArgument."""
        return filing.count_copies(self._link.client, message_id)

    def append(self, folder: str, content: bytes, sent_at: datetime) -> None:
        r"""File a message with ``\Seen``, in a folder that is created and subscribed to where it is missing.

        Raises:
            FolderMissing: the folder can't be created.
            CommandRefused: the message is refused; the folder does not have it.
        """
        filing.append(self._link.client, folder, content, sent_at)

    def mark_seen(self, uids: Iterable[int]) -> None:
        r"""Add ``\Seen``; those that are gone are passed over."""
        with self._link.client.at(Stage.MARK):
            self._link.client.store(uids, "\\Seen")

    def move(self, uids: Iterable[int], folder: str) -> None:
        """Move to a folder, which is created and subscribed to where it is missing; those that are gone are passed over.

        Without MOVE (RFC 6851) it is done in three steps: ended in between, a message may be in both folders.

        Raises:
            NotSupported: the server has neither MOVE nor UIDPLUS; nothing was done.
            FolderMissing: the folder can't be created.
        """
        removing.move(self._link.client, self.capabilities, uids, folder)

    def expunge(self, uids: Iterable[int]) -> None:
        """Delete these and no others (RFC 4315 section 2.1); raises NotSupported without UIDPLUS."""
        removing.expunge(self._link.client, self.capabilities, uids)

    # Waiting

    def idle(self, seconds: float) -> bool:
        """Wait for news so long at most; returns whether there may be any. A hint: who relies on it must look regardless.

        Without IDLE (RFC 2177) the server is asked at the end. A server that is silent beyond its timeout is Unreachable.
        """
        return self._folder.wait_for_news(self._link.client, seconds, has_idle="IDLE" in self.capabilities)

    def noop(self) -> None:
        """See that the server is there."""
        with self._link.client.at(Stage.NOOP) as connection:
            connection.command("NOOP")

    def logout(self) -> None:
        """End the session well."""
        with suppress(CommandRefused), self._link.client.at(Stage.QUIT) as connection:
            connection.logout()
        self._link.wire.release()
