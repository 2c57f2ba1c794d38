"""One IMAP session with one folder, for a thread that may wait."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Self

from mailsvc.imap import folders, listing, reading
from mailsvc.imap.client import Client, batches, ending_on_error
from mailsvc.imap.folders import Folder
from mailsvc.imap.limits import Limits
from mailsvc.imap.listing import Listed
from mailsvc.imap.login import log_in
from mailsvc.mailaccess.account import Credentials, Server, Timeouts
from mailsvc.mailaccess.errors import (
    CommandRefused,
    FolderMissing,
    MailAccessError,
    NotSupported,
    Stage,
    TlsFailed,
    Unreachable,
    readable,
)
from mailsvc.mailaccess.wire import Wire

__all__ = ["Report", "Session", "Write"]

Write = Callable[[bytes], object]
Report = Callable[[Stage, str], None]


class Session:
    """Used by one thread, which leaves its context at the end; only ``close`` may be called by others.

    Where a command is refused (CommandRefused and its kinds, NotSupported, UnsendableArgument) the session goes on, except at
    the login. After any other error it has ended.

    Attributes:
        capabilities: what the server offers, upper case; nothing that it said before TLS is among it.
    """

    def __init__(self, server: Server, *, timeouts: Timeouts | None = None, limits: Limits | None = None) -> None:
        self._server, self._limits = server, limits or Limits()
        self._wire = Wire(server, timeouts or Timeouts(), ports="implicit TLS is usually on 993, STARTTLS on 143")
        self._client: Client | None = None
        self._folder: Folder | None = None
        self._status: object = None
        self.capabilities: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._wire.release()

    def close(self) -> None:
        """End the session at once, from any thread: whoever waits for the server gets Unreachable."""
        self._wire.close()

    # Before the login

    def open(self, report: Report | None = None) -> None:
        """Connect, be greeted, protect the connection, ask for the capabilities.

        Args:
            report: told of each stage that is done, with a detail for people.

        Raises:
            Unreachable, TlsFailed, TemporarilyUnavailable, ProtocolViolation, ResponseTooLarge
        """
        report = report or (lambda _stage, _detail: None)
        with ending_on_error(self._wire, Stage.GREETING):
            self._wire.connect(report)
            self._client = client = self._greeted()
            report(Stage.GREETING, readable(bytes(client.welcome)))
            if self._server.tls == "starttls":
                report(Stage.TLS, self._start_tls(client))
            self.capabilities = client.ask_capabilities()
            report(Stage.CAPABILITIES, ", ".join(sorted(self.capabilities)))

    def login(self, credentials: Credentials) -> str:
        """Log in by the one way that fits best; a refusal ends the session. Returns the server's words.

        Raises:
            AuthRefused: the credentials; TemporarilyUnavailable and its kinds where the server says it is something else.
            NotSupported: the server offers no way for these credentials.
        """
        try:
            text = log_in(self._open, self._server, credentials, self.capabilities)
            self.capabilities = self._open.ask_capabilities()
        except MailAccessError:
            self._wire.release()
            raise
        return text

    # The folder

    def examine(self, folder: str) -> Folder:
        """Open a folder so that nothing in it can be changed; raises FolderMissing."""
        return self._opened(folder, readonly=True)

    def select(self, folder: str) -> Folder:
        """Open a folder; raises FolderMissing, or CommandRefused where it can only be read."""
        return self._opened(folder, readonly=False)

    def find_special(self, attribute: str) -> str | None:
        r"""The folder with a special use such as ``\Sent`` (RFC 6154)."""
        return folders.find_special(self._open, attribute)

    @property
    def exists(self) -> int:
        """How many messages the folder has, as the server last said."""
        return self._open.connection.exists

    # Messages

    def uids_after(self, uid: int, *, limit: int = 10_000) -> tuple[int, ...]:
        """The lowest UIDs above that one, sorted; fewer than the limit need not be all, none are."""
        return listing.uids_after(self._open, uid, limit=limit)

    def sizes(self, uids: Iterable[int], *, dates: bool = False) -> dict[int, Listed]:
        """Size, flags and, if wanted, INTERNALDATE of each; those that are missing are gone."""
        found: dict[int, Listed] = {}
        for batch in batches(uids):
            found |= listing.list_each(self._open, batch, dates=dates)
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
        return reading.fetch(self._open, uid, size, write, chunk=chunk)

    def fetch_small(self, sizes: Mapping[int, int]) -> dict[int, bytes]:
        """Return several messages whole, by one command; no flag is set, and those that are gone are missing.

        Args:
            sizes: what ``sizes`` said, by UID; 2 MiB together at most.

        Raises:
            ResponseTooLarge: one has more bytes than its size; the session has ended.
        """
        return reading.fetch_small(self._open, sizes)

    def fetch_header(self, uid: int, write: Write, *, limit: int) -> int:
        """Hand over a message's header, cut at so many bytes; raises MessageGone. Returns how many they were."""
        return reading.fetch_header(self._open, uid, write, limit=limit)

    def mark_seen(self, uids: Iterable[int]) -> None:
        r"""Add ``\Seen``; those that are gone are passed over."""
        with self._open.at(Stage.MARK):
            self._open.store(uids, "\\Seen")

    def move(self, uids: Iterable[int], folder: str) -> None:
        """Move to a folder, which is created and subscribed to where it is missing; those that are gone are passed over.

        Without MOVE (RFC 6851) it is done in three steps: ended in between, a message may be in both folders.

        Raises:
            NotSupported: the server has neither MOVE nor UIDPLUS; nothing was done.
            FolderMissing: the folder can't be created.
        """
        self._require("MOVE", "UIDPLUS", stage=Stage.MOVE)
        folders.require_nameable(Stage.MOVE, folder)
        for batch in batches(uids):
            try:
                self._move(batch, folder)
            except CommandRefused as error:
                if not isinstance(error, FolderMissing) and folders.is_there(self._open, Stage.MOVE, folder):
                    raise
                folders.create(self._open, folder)
                self._move(batch, folder)

    def expunge(self, uids: Iterable[int]) -> None:
        """Delete these and no others (RFC 4315 section 2.1); raises NotSupported without UIDPLUS."""
        self._require("UIDPLUS", stage=Stage.DELETE)
        with self._open.at(Stage.DELETE):
            for batch in batches(uids):
                self._delete(batch)

    # Waiting

    def idle(self, seconds: float) -> bool:
        """Wait for news so long at most; returns whether there may be any. A hint: who relies on it must look regardless.

        Without IDLE (RFC 2177) the server is asked at the end. A server that is silent beyond its timeout is Unreachable.
        """
        with self._open.at(Stage.IDLE) as connection:
            if not connection.has_news:
                if "IDLE" in self.capabilities:
                    connection.idle(seconds)
                else:
                    self._ask_after(seconds)
            found, connection.has_news = connection.has_news, False
            return found

    def noop(self) -> None:
        """See that the server is there."""
        with self._open.at(Stage.NOOP) as connection:
            connection.command("NOOP")

    def logout(self) -> None:
        """End the session well."""
        with suppress(CommandRefused), self._open.at(Stage.QUIT) as connection:
            connection.logout()
        self._wire.release()

    # How

    @property
    def _open(self) -> Client:
        if self._client is None:
            raise Unreachable(Stage.CONNECT, "there is no connection")
        return self._client

    def _greeted(self) -> Client:
        try:
            return Client(self._wire, self._limits)
        except Unreachable as error:
            if isinstance(error.__cause__, TimeoutError) and self._server.tls != "implicit":
                error.text += "; a port that waits for TLS from the first byte is as silent (usually 993)"
            raise

    def _start_tls(self, client: Client) -> str:
        try:
            with client.at(Stage.TLS) as connection:
                return connection.start_tls()
        except CommandRefused as error:
            raise TlsFailed(Stage.TLS, f"the server refuses STARTTLS: {error.text}") from error

    def _opened(self, folder: str, *, readonly: bool) -> Folder:
        self._status = None
        self._folder = found = folders.open_folder(self._open, folder, readonly=readonly)
        return found

    def _require(self, *any_of: str, stage: Stage) -> None:
        if not self.capabilities & set(any_of):
            raise NotSupported(stage, f"the server has no {' and no '.join(any_of)}")

    def _move(self, batch: str, folder: str) -> None:
        with self._open.at(Stage.MOVE):
            if "MOVE" in self.capabilities:
                self._open.move(batch, folder)
            else:
                self._open.copy(batch, folder)
                self._delete(batch)

    def _delete(self, batch: str) -> None:
        self._open.store(map(int, batch.split(",")), "\\Deleted")
        self._open.uid_expunge(batch)

    def _ask_after(self, seconds: float) -> None:
        connection = self._open.connection
        connection.wait(seconds)
        connection.command("NOOP")
        # Some servers say nothing to NOOP.
        if not connection.has_news and self._folder is not None:
            status = self._open.folder_status(self._folder.name, ["MESSAGES", "UIDNEXT"])
            connection.has_news = self._status != status
            self._status = status
