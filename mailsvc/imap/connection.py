"""imaplib over a wire of ours: what a server may send is bounded, and each refusal becomes an error of ours."""

import imaplib
from typing import Any

from mailsvc import clock
from mailsvc.imap.limits import Limits
from mailsvc.imap.receiving import Receiver
from mailsvc.imap.refusals import farewell, refusal
from mailsvc.mailaccess.errors import ProtocolViolation, ResponseTooLarge, Stage, TlsFailed, readable
from mailsvc.mailaccess.wire import Wire

__all__ = ["Connection"]

MOST_NUMBER = 2**32 - 1  # RFC 9051 section 9: number


class Connection(imaplib.IMAP4):
    """One connection, greeted when it is made.

    Attributes:
        stage: what errors are said to have happened at.
        literal_limit: bytes that a literal of the next answer may have.
        exists: how many messages the selected folder has, as the server last said.
        has_news: the server told of a change of that number.
    """

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self._wire = wire
        self._receiver = Receiver(wire, limits)
        self.stage = Stage.GREETING
        self.literal_limit = limits.literal
        self.exists, self.has_news = 0, False
        super().__init__()

    def command(self, name: str, *arguments: str) -> bytes:
        """Send a command; raises what NO or BAD means to it. Returns the server's words."""
        _, said = self._simple_command(name, *arguments)
        return said[-1] or b""

    def start_tls(self) -> str:
        """Ask for TLS, protect the connection, and forget all that came before (RFC 9051 section 6.2.1).

        Returns:
            The protocol's version and the cipher.
        """
        self.command("STARTTLS")
        if self._receiver.has_any(self.stage):
            raise TlsFailed(
                self.stage, "something was slipped in between STARTTLS and TLS: somebody may sit in between"
            )
        protection = self._wire.start_tls()
        self.untagged_responses, self.capabilities = {}, ()
        return protection

    def idle(self, seconds: float) -> bool:  # type: ignore[override, unused-ignore]  # imaplib's own, from Python 3.14 on
        """Wait for news so long (RFC 2177); returns whether there are any."""
        deadline = clock.monotonic() + seconds
        tag = self._new_tag()
        self.send(tag + b" IDLE\r\n")
        while self._get_response():
            if self.tagged_commands[tag]:
                break
        else:
            while not self.has_news and not self.tagged_commands[tag] and self._receiver.has_line(deadline, self.stage):
                self._get_response()
            self.send(b"DONE\r\n")
        self._command_complete("IDLE", tag)
        return self.has_news

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the server says anything."""
        self._receiver.has_line(clock.monotonic() + seconds, self.stage)

    # What imaplib calls

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """The wire is connected already."""

    def read(self, size: int) -> bytes:
        """A literal."""
        if size > self.literal_limit:
            raise ResponseTooLarge(self.stage, f"a literal of {size} bytes, where {self.literal_limit} are the most")
        return self._receiver.literal(size, self.stage)

    def readline(self) -> bytes:
        """A line with its end."""
        line = self._receiver.line(self.stage)
        if self.stage is Stage.GREETING and not line.startswith(b"*"):  # imaplib would show None for that of POP3
            raise ProtocolViolation(self.stage, f"not the greeting of an IMAP server: {readable(line[:80].rstrip())}")
        return line

    def send(self, data: bytes) -> None:  # type: ignore[override, unused-ignore]
        """To the server."""
        self._wire.send(bytes(data), self.stage)

    def shutdown(self) -> None:
        """Close."""
        self._wire.release()

    def _get_capabilities(self) -> None:
        if self.state == "AUTH":
            # Before TLS whoever sits in between could say so to keep the session in the clear; after it, it would not be known
            # whose mailbox this is.
            raise TlsFailed(
                self.stage, "the server greets with PREAUTH, as if the login were done: nothing of it is believed"
            )
        self.stage = Stage.CAPABILITIES
        super()._get_capabilities()  # type: ignore[misc]

    def _new_tag(self) -> bytes:
        # What was said before the command is no answer to it.
        self.untagged_responses = {}
        self._receiver.expect_answer(self.literal_limit)
        tag: bytes = super()._new_tag()  # type: ignore[misc]
        return tag

    def _append_untagged(self, kind: str, said: Any) -> None:
        if kind == "BYE" and self.stage is not Stage.QUIT:
            raise farewell(self.stage, said if isinstance(said, bytes) else b"")
        if not kind[:1].isalpha():  # imaplib takes -1 for the name of an answer
            raise ProtocolViolation(self.stage, f"not an IMAP answer: {kind[:80]}")
        if kind in ("EXISTS", "EXPUNGE", "RECENT"):
            self._count(kind, _number(self.stage, said))
            self.untagged_responses[kind] = [said]
        else:
            super()._append_untagged(kind, said)  # type: ignore[misc]

    def _command_complete(self, name: str, tag: bytes) -> tuple[str, list[Any]]:
        kind, said = self._get_tagged_response(tag, expect_bye=name == "LOGOUT")
        if kind != "OK" and name != "LOGOUT":
            raise refusal(self.stage, kind, said[-1] or b"")
        return kind, said

    def _log(self, line: str) -> None:
        """Imaplib would keep the last ten lines, passwords among them."""

    # How

    def _count(self, kind: str, number: int) -> None:
        if kind == "EXISTS":
            self.exists = number
        elif kind == "EXPUNGE":
            self.exists = max(0, self.exists - 1)
        self.has_news = True


def _number(stage: Stage, said: Any) -> int:
    digits = said.split()[0] if isinstance(said, bytes) and said.split() else b""
    if not digits.isdigit() or len(digits) > 10 or int(digits) > MOST_NUMBER:
        raise ProtocolViolation(stage, f"not a number of messages: {readable(digits[:80])}")
    return int(digits)
