"""Feeds finished mails to an SMTP server over sessions that are reused: ``python -m bench.load.smtp``.

Plain and without AUTH, as an application hands mail to its own machine's Postfix. Orders: ``port``, ``messages``,
``sessions``. Each session sends MAIL, RCPT and DATA together where the server offers PIPELINING. Sessions are open and
mails are built before the clock starts, as those that ``bench.load.http`` posts.
"""

import time
from collections.abc import Iterator

from bench import mail
from bench.load.connection import Connection, Group
from bench.load.report import orders_from_arguments, prepared, report, wait_for_go

_PREPARED = 100_000  # messages: half a gigabyte; what is beyond is built on the way
_ENVELOPE_TAKEN, _MAIL_TAKEN = [b"250", b"250", b"354"], [b"250"]

Mail = tuple[bytes, bytes]  # the envelope's commands, and the content with its dot


class Session(Connection):
    """One mail after another."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._lines = b""
        self._content: bytes | None = None  # to be sent once the envelope is taken
        self._await([b"220"])
        self.send(b"EHLO bench.app.test\r\n")
        if b"PIPELINING" not in self._await([b"250"]):
            raise RuntimeError("the server does not offer PIPELINING")

    def begin(self, mail: Mail) -> None:
        """Hand in this one."""
        envelope, self._content = mail
        self.send(envelope)

    def go_on(self) -> bool:
        """Do what the replies that have come allow; whether the mail is in the server's hands."""
        if not self._taken(_MAIL_TAKEN if self._content is None else _ENVELOPE_TAKEN):
            return False
        if self._content is None:
            return True
        content, self._content = self._content, None
        self.send(content)
        return False

    def leave(self) -> None:
        """Close politely."""
        self.socket.setblocking(True)
        self.send(b"QUIT\r\n")
        self._await([b"221"])
        self.socket.close()

    def _await(self, codes: list[bytes]) -> bytes:
        while not (text := self._taken(codes)):
            pass
        return text

    def _taken(self, codes: list[bytes]) -> bytes:
        """The replies, once there is one of each code; nothing before."""
        self._lines += self.receive()
        replies = [line for line in self._lines.splitlines(keepends=True) if line[3:4] != b"-"]
        if len(replies) < len(codes) or not replies[-1].endswith(b"\n"):
            return b""
        if [reply[:3] for reply in replies] != codes:
            raise RuntimeError(f"the server said {self._lines!r}")
        text, self._lines = self._lines, b""
        return text


def _feed(sessions: list[Session], mails: Iterator[Mail]) -> None:
    group, free = Group(sessions), list(sessions)
    for mail_ in mails:
        while not free:
            free += [session for session in group.readable() if session.go_on()]
        free.pop().begin(mail_)
    while len(free) < len(sessions):
        free += [session for session in group.readable() if session.go_on()]


def _mails(messages: int) -> Iterator[Mail]:
    for number in range(messages):
        envelope = f"MAIL FROM:<{mail.SENDER_ADDRESS}>\r\nRCPT TO:<{mail.recipient(number)}>\r\nDATA\r\n"
        yield envelope.encode(), mail.wire(number) + b".\r\n"


def _run(port: int, messages: int, sessions: int) -> None:
    opened = [Session(port) for _ in range(sessions)]
    mails = prepared(_mails(messages), _PREPARED)
    wait_for_go()
    started_at, cpu = time.monotonic(), time.process_time()
    _feed(opened, mails)
    report({"started_at": started_at, "ended_at": time.monotonic(), "cpu_s": time.process_time() - cpu})
    for session in opened:
        session.leave()


if __name__ == "__main__":
    orders = orders_from_arguments()
    _run(orders["port"], orders["messages"], orders["sessions"])
