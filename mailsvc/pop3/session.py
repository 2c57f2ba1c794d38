"""One POP3 session over a socket, for a thread that may wait."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self, TypeVar

from mailsvc.mailaccess.account import Credentials, Server, Timeouts
from mailsvc.mailaccess.errors import CommandRefused, NotSupported, ProtocolViolation, Stage, TlsFailed
from mailsvc.pop3.capabilities import Capabilities
from mailsvc.pop3.commands import command
from mailsvc.pop3.dialogue import Dialogue
from mailsvc.pop3.login import log_in
from mailsvc.pop3.protocol import Form, Limits
from mailsvc.pop3.responses import parse_scan, parse_stat, parse_uid, refusal

__all__ = ["Report", "Session", "Write"]

RETRIEVED_AHEAD = 20  # messages asked for before they are taken
PIPELINED = 100  # commands sent at once where the server offers PIPELINING (RFC 2449 section 6.8)

Write = Callable[[bytes], object]
Report = Callable[[Stage, str], None]
_Value = TypeVar("_Value", int, str)


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
        report = report or (lambda _stage, _detail: None)
        with self._dialogue.ending_on_error():
            self._dialogue.wire.connect(report)
            report(Stage.GREETING, self._dialogue.greeting().text)
            self._ask_capabilities()
            if self._server.tls == "starttls":
                report(Stage.TLS, self._start_tls())
                self._ask_capabilities()
            report(Stage.CAPABILITIES, self._offers)

    def login(self, credentials: Credentials) -> str:
        """Log in by the one way that fits best; a refusal ends the session. Returns the server's words.

        Raises:
            AuthRefused: the credentials; TemporarilyUnavailable and its kinds where the server says it is something else.
            NotSupported: the server offers no way for these credentials.
        """
        with self._dialogue.ending_on_error():
            text = log_in(self._dialogue, self._server, credentials, self.capabilities)
            if self.capabilities is not None:
                self._ask_capabilities()
            return text

    # The mailbox

    def stat(self) -> tuple[int, int]:
        """How many messages there are, and their bytes together as the server counts."""
        said = self._dialogue.ask(Stage.COUNT, command(Stage.COUNT, "STAT")).said
        with self._dialogue.ending_on_error():
            return parse_stat(said)

    def sizes(self) -> dict[int, int]:
        """Each message's number and its bytes as the server counts, which may be wrong."""
        return self._numbered("LIST", parse_scan)

    def uids(self) -> dict[int, str]:
        """Each message's number and its unique-id; equal messages may have equal ones.

        Raises:
            NotSupported: the server has no UIDL.
        """
        return self._numbered("UIDL", parse_uid)

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

    def _ask_capabilities(self) -> None:
        lines: list[bytes] = []
        with suppress(
            CommandRefused
        ):  # by servers without CAPA; and by some after the login, where the answer still holds
            self._dialogue.ask_list(Stage.CAPABILITIES, "CAPA", lines.append)
            self.capabilities = Capabilities.of(lines)

    def _has(self, capability: str) -> bool:
        return self.capabilities is not None and capability in self.capabilities

    @property
    def _offers(self) -> str:
        return "the server has no CAPA" if self.capabilities is None else ", ".join(self.capabilities.lines)

    def _start_tls(self) -> str:
        if self.capabilities is not None and not self._has("STLS"):
            raise TlsFailed(Stage.TLS, "the server doesn't offer STLS, and without it nothing is sent")
        try:
            self._dialogue.ask(Stage.TLS, command(Stage.TLS, "STLS"))
        except CommandRefused as error:
            raise TlsFailed(Stage.TLS, f"the server refuses STLS: {error.text}") from error
        self.capabilities = None
        return self._dialogue.start_tls()

    def _numbered(self, keyword: str, parse: Callable[[bytes], tuple[int, _Value]]) -> dict[int, _Value]:
        found: dict[int, _Value] = {}

        def take(line: bytes) -> None:
            number, value = parse(line)
            if number in found:
                raise ProtocolViolation(Stage.LIST, f"message {number} is listed twice")
            found[number] = value

        with self._telling_unsupported(keyword, Stage.LIST):
            self._dialogue.ask_list(Stage.LIST, keyword, take)
        return found

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
