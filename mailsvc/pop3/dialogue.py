"""Commands and responses over a connection, in step: an answer that nobody asked for never passes for the next one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailsvc.mailaccess.account import Server, Timeouts
from mailsvc.mailaccess.errors import Stage, TlsFailed, Unreachable
from mailsvc.mailaccess.wire import Wire
from mailsvc.pop3.commands import command
from mailsvc.pop3.protocol import Event, Form, Limits, Protocol
from mailsvc.pop3.responses import Chunk, End, Line, Status, refusal

__all__ = ["Dialogue"]


class Dialogue:
    """A protocol and the wire that it is spoken over.

    A refusal leaves it in step; after any other error the connection is closed.
    """

    def __init__(self, server: Server, timeouts: Timeouts, limits: Limits | None) -> None:
        self._server, self._limits = server, limits
        self.wire = Wire(server, timeouts, ports="implicit TLS is usually on 995, STLS on 110")
        self._protocol = Protocol(limits)

    def greeting(self) -> Status:
        """Wait for the server's first line; raises what -ERR means there."""
        self._protocol.expect(Stage.GREETING)
        try:
            return _agreed(Stage.GREETING, self.status(Stage.GREETING))
        except Unreachable as error:
            if isinstance(error.__cause__, TimeoutError) and self._server.tls != "implicit":
                error.text += "; a port that waits for TLS from the first byte is as silent (usually 995)"
            raise

    def ask(self, stage: Stage, line: bytes, form: Form = Form.STATUS, *, limit: int = 0) -> Status:
        """Send a command; raises what -ERR means to it."""
        self.send(stage, line, form, limit=limit)
        return _agreed(stage, self.status(stage))

    def ask_all(self, stage: Stage, lines: list[bytes]) -> list[Status]:
        """Send several commands at once (RFC 2449 section 6.8); the answers, refusals among them."""
        self.send(stage, b"".join(lines), count=len(lines))
        return [self.status(stage) for _ in lines]

    def ask_list(self, stage: Stage, keyword: str, take: Callable[[bytes], None]) -> None:
        """Send a command, and hand over each line of its answer."""
        self.ask(stage, command(stage, keyword), Form.LIST)
        with self.ending_on_error():
            while not isinstance(event := self._event(stage), End):
                assert isinstance(event, Line)
                take(event.said)

    def ask_message(self, line: bytes, write: Callable[[bytes], object], *, limit: int) -> int:
        """Send a command, and hand over each piece of the message; returns its size in bytes."""
        self.send(Stage.FETCH, line, Form.MESSAGE, limit=limit)
        return self.take_message(write)

    def take_message(self, write: Callable[[bytes], object]) -> int:
        """Hand over each piece of the message that was asked for first; returns its size in bytes."""
        _agreed(Stage.FETCH, self.status(Stage.FETCH))
        size = 0
        with self.ending_on_error():
            while not isinstance(event := self._event(Stage.FETCH), End):
                assert isinstance(event, Chunk)
                write(event.data)
                size += len(event.data)
        return size

    def start_tls(self) -> str:
        """Protect the connection after +OK to STLS, and believe nothing that came before (RFC 2595 section 4).

        Returns:
            The protocol's version and the cipher.
        """
        self._receive_pending(Stage.TLS)
        if not self._protocol.is_quiet:
            raise TlsFailed(Stage.TLS, "something was slipped in between STLS and TLS: somebody may sit in between")
        protection = self.wire.start_tls()
        self._protocol = Protocol(self._limits)
        return protection

    def send(self, stage: Stage, lines: bytes, form: Form = Form.STATUS, *, limit: int = 0, count: int = 1) -> None:
        """Send so many commands without waiting for their answers."""
        with self.ending_on_error():
            self._receive_pending(stage)
            for _ in range(count):
                self._protocol.expect(stage, form, limit=limit)
            self.wire.send(lines, stage)

    def status(self, stage: Stage) -> Status:
        """The next answer's first line."""
        with self.ending_on_error():
            event = self._event(stage)
        assert isinstance(event, Status)
        return event

    @contextmanager
    def ending_on_error(self) -> Iterator[None]:
        """Close the connection when anything is raised."""
        try:
            yield
        except BaseException:
            self.wire.release()
            raise

    def _receive_pending(self, stage: Stage) -> None:
        if (data := self.wire.receive_now(stage)) is not None:
            self._protocol.receive_data(data)

    def _event(self, stage: Stage) -> Event:
        while (event := self._protocol.next_event()) is None:
            self._protocol.receive_data(self.wire.receive(stage))
        return event


def _agreed(stage: Stage, status: Status) -> Status:
    if not status.is_ok:
        raise refusal(stage, status)
    return status
