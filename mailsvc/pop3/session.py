"""One POP3 session over a socket, for a thread that may wait."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from mailsvc.mailaccess.account import Credentials, Server, Timeouts
from mailsvc.mailaccess.errors import CommandRefused, NotSupported, Stage
from mailsvc.pop3.capabilities import Capabilities
from mailsvc.pop3.commands import command
from mailsvc.pop3.dialogue import Dialogue
from mailsvc.pop3.listing import list_numbered
from mailsvc.pop3.login import log_in
from mailsvc.pop3.opening import Report, ask_capabilities, open_dialogue
from mailsvc.pop3.protocol import Form, Limits
from mailsvc.pop3.responses import parse_scan, parse_stat, parse_uid, refusal

__all__ = ["Report", "Session", "Write"]

RETRIEVED_AHEAD = 20  # messages asked for before they are taken
PIPELINED = 100  # commands sent at once where the server offers PIPELINING (RFC 2449 section 6.8)

Write = Callable[[bytes], object]


class Session:
    """Used by one thread, which leaves its context at the end; only ``close`` may be called by others.

    Where a command is refused the session goes on, except at the login. After any other error it has ended.
    Leaving the context without ``quit`` deletes nothing.

    Attributes:
        capabilities: the answer to the last CAPA; None for a server without it.
        marked: the numbers of the messages that QUIT will delete.
    """

    def __init__(self, server: Server, *, timeouts: Timeouts | None = None, limits: Limits | None = None) -> None:
        self._server = server
        self._dialogue = Dialogue(server, timeouts or Timeouts(), limits)
        self.capabilities: Capabilities | None = None
        self.marked: tuple[int, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._dialogue.wire.release()

    def close(self) -> None:
        """End the session at once, from any thread: whoever waits for the server gets Unreachable. Nothing is deleted."""
        self._dialogue.wire.close()

    # Before the login

    def open(self, report: Report | None = None) -> None:
        """Connect, be greeted, protect the connection (RFC 2595 section 4), ask for the capabilities.

        Args:
            report: told of each stage that is done, with a detail for people.

        Raises:
            Unreachable, TlsFailed, TemporarilyUnavailable, PermanentlyUnavailable, ProtocolViolation, ResponseTooLarge
        """
        self.capabilities = open_dialogue(self._dialogue, self._server, report or (lambda _stage, _detail: None))

    def login(self, credentials: Credentials) -> str:
        """Log in by the one way that fits best; a refusal ends the session. Returns the server's words.

        Raises:
            AuthRefused: the credentials; TemporarilyUnavailable and its kinds where the server says it is something else.
            NotSupported: the server offers no way for these credentials.
        """
        with self._dialogue.ending_on_error():
            text = log_in(self._dialogue, self._server, credentials, self.capabilities)
            if self.capabilities is not None:
                # Some refuse CAPA after the login; then the answer from before it still holds.
                self.capabilities = ask_capabilities(self._dialogue) or self.capabilities
            return text

    # The mailbox

    def stat(self) -> tuple[int, int]:
        """How many messages there are, and their bytes together as the server counts."""
        said = self._dialogue.ask(Stage.COUNT, command(Stage.COUNT, "STAT")).said
        with self._dialogue.ending_on_error():
            return parse_stat(said)

    def sizes(self) -> dict[int, int]:
        """Each message's number and its bytes as the server counts, which may be wrong."""
        with self._telling_unsupported("LIST", Stage.LIST):
            return list_numbered(self._dialogue, "LIST", parse_scan)

    def uids(self) -> dict[int, str]:
        """Each message's number and its unique-id; equal messages may have equal ones.

        Raises:
            NotSupported: the server has no UIDL.
        """
        with self._telling_unsupported("UIDL", Stage.LIST):
            return list_numbered(self._dialogue, "UIDL", parse_uid)

    def retrieve(self, number: int, write: Write, *, limit: int) -> int:
        """Hand a message over piece by piece as it comes; where this raises, what was handed over is no message.

        Args:
            limit: bytes that it may have.

        Returns:
            How many bytes it had.

        Raises:
            CommandRefused: there is no such message (any more).
            ResponseTooLarge: it is over the limit; the session has ended.
        """
        return self._dialogue.ask_message(command(Stage.FETCH, "RETR", number), write, limit=limit)

    def retrieve_each(self, numbers: Sequence[int], *, limit: int) -> Iterator[tuple[int, bytes | None]]:
        """Return messages one after another, asking for the next ones meanwhile where the server offers PIPELINING.

        None stands for one that the server refuses, usually because it is gone. Before another command is given, all must
        have been taken. Raises as ``retrieve``.
        """
        ahead = RETRIEVED_AHEAD if self._has("PIPELINING") else 1
        asked = 0
        for taken, number in enumerate(numbers):
            if asked - taken <= ahead // 2:
                following = numbers[asked : taken + ahead]
                lines = b"".join(command(Stage.FETCH, "RETR", one) for one in following)
                self._dialogue.send(Stage.FETCH, lines, Form.MESSAGE, limit=limit, count=len(following))
                asked += len(following)
            content = bytearray()
            try:
                self._dialogue.take_message(content.extend)
            except CommandRefused:
                yield number, None
            else:
                yield number, bytes(content)

    def top(self, number: int, lines: int, write: Write, *, limit: int) -> int:
        """As ``retrieve``, of the header and so many lines of the body; raises NotSupported where there is no TOP."""
        with self._telling_unsupported("TOP", Stage.FETCH):
            return self._dialogue.ask_message(command(Stage.FETCH, "TOP", number, lines), write, limit=limit)

    def delete(self, *numbers: int) -> tuple[int, ...]:
        """Mark messages, which the server deletes at ``quit``, and only then.

        Returns:
            Those that are marked; the others it refused, usually because they are gone.
        """
        batch = PIPELINED if self._has("PIPELINING") else 1
        marked: list[int] = []
        for start in range(0, len(numbers), batch):
            marked += self._mark(numbers[start : start + batch])
        return tuple(marked)

    def reset(self) -> None:
        """Take the marks off."""
        self._dialogue.ask(Stage.RESET, command(Stage.RESET, "RSET"))
        self.marked = ()

    def noop(self) -> None:
        """See that the server is there."""
        self._dialogue.ask(Stage.NOOP, command(Stage.NOOP, "NOOP"))

    def quit(self) -> tuple[int, ...]:
        """End the session well. Returns the numbers of the messages that are deleted.

        Raises:
            MailAccessError: whether any marked message was deleted is not known: list them again (RFC 1939 section 6).
        """
        try:
            self._dialogue.ask(Stage.QUIT, command(Stage.QUIT, "QUIT"))
            return self.marked
        finally:
            self._dialogue.wire.release()

    # How

    def _has(self, capability: str) -> bool:
        return self.capabilities is not None and capability in self.capabilities

    def _mark(self, numbers: tuple[int, ...]) -> list[int]:
        lines = [command(Stage.DELETE, "DELE", number) for number in numbers]
        answers = list(zip(numbers, self._dialogue.ask_all(Stage.DELETE, lines), strict=True))
        marked = [number for number, status in answers if status.is_ok]
        self.marked += tuple(marked)
        refusals = [refusal(Stage.DELETE, status) for _, status in answers if not status.is_ok]
        for error in refusals:
            if not isinstance(error, CommandRefused):
                raise error
        return marked

    @contextmanager
    def _telling_unsupported(self, keyword: str, stage: Stage) -> Iterator[None]:
        """A server that doesn't promise a command may not have it; one that does has another reason to refuse it."""
        try:
            yield
        except CommandRefused as error:
            if self._has(keyword):
                raise
            raise NotSupported(stage, f"the server has no {keyword}: {error.text}", code=error.code) from error
