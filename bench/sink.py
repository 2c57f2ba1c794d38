"""A receiving submission server (STARTTLS, AUTH, PIPELINING) that only counts: ``python -m bench.sink``.

It must never be the limit of what is measured, so it does the least that a client can't tell from a real server.
The identity of a message is its Message-ID. ``--delay-ms`` holds every reply back for that long after its command
arrived; replies to commands that arrived together leave together, as over a long line.
"""

import argparse
import base64
import contextlib
import socket
import ssl
from collections.abc import Callable
from functools import partial

from bench.counters import PASSWORD, USERNAME
from bench.listener import Connection, Listener
from bench.tally import Tally, announce

_END = b"\r\n.\r\n"
_HEAD_LIMIT = 65536
_PLAIN = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode())
_OPEN = (
    b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"
)
_BEFORE_TLS = _OPEN + b"250 STARTTLS\r\n"
_AFTER_TLS = _OPEN + b"250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN\r\n"
_OK, _ENCRYPT, _BYE = b"250 2.0.0 Ok\r\n", b"220 2.0.0 Go on\r\n", b"221 2.0.0 Bye\r\n"


class Session(Connection):
    """One connection."""

    def __init__(self, listener: Listener, sock: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(listener, sock)
        self._context = context
        self._buffer = b""
        self._secure = self._known = False
        self._body: Body | None = None
        self._expected: list[Callable[[bytes], bytes]] = []  # answers to come within AUTH
        listener.answer(self.send, b"220 sink.test ESMTP\r\n")

    def take(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        position, replies = 0, []
        while True:
            if self._body is not None:
                position = self._body.feed(data, position)
                if not self._body.complete:
                    break
                self.listener.tally.add(self._body.identity())
                self._body = None
                replies.append(_OK)
            end = data.find(b"\r\n", position)
            if end < 0:
                break
            replies.append(self._answer(data[position:end]))
            # The CRLF before the first line may be the one before the final dot: an empty message.
            position = end if self._body is not None else end + 2
        self._buffer = data[position:]
        if replies:
            self.listener.answer(self._sender(replies), b"".join(replies))

    def _sender(self, replies: list[bytes]) -> Callable[[bytes], None]:
        if _ENCRYPT in replies:
            return self._upgrade
        return self._leave if _BYE in replies else self.send

    def _answer(self, line: bytes) -> bytes:
        if self._expected:
            return self._expected.pop(0)(line)
        verb = line[:4].upper()
        if verb not in (b"MAIL", b"RCPT", b"DATA"):
            return self._answer_rare(verb, line)
        if not self._known:
            return b"530 5.7.0 Authenticate first\r\n"
        if verb == b"DATA":
            self._body = Body()
            return b"354 Go on\r\n"
        return _OK

    def _answer_rare(self, verb: bytes, line: bytes) -> bytes:
        match verb:
            case b"EHLO" | b"HELO":
                return _AFTER_TLS if self._secure else _BEFORE_TLS
            case b"STAR":
                return _ENCRYPT
            case b"AUTH":
                return self._authenticate(line[5:]) if self._secure else b"538 5.7.11 Encrypt first\r\n"
            case b"RSET" | b"NOOP":
                return _OK
            case b"QUIT":
                return _BYE
        return b"502 5.5.1 Not here\r\n"

    def _authenticate(self, words: bytes) -> bytes:
        mechanism, _, initial = words.partition(b" ")
        if mechanism.upper() == b"PLAIN":
            if initial:
                return self._judge(initial == _PLAIN)
            self._expected = [lambda answer: self._judge(answer == _PLAIN)]
            return b"334 \r\n"
        user, word = (base64.b64encode(USERNAME.encode()), base64.b64encode(PASSWORD.encode()))
        if initial:
            self._expected = [lambda answer: self._judge(initial == user and answer == word)]
            return b"334 UGFzc3dvcmQ6\r\n"
        self._expected = [lambda _: b"334 UGFzc3dvcmQ6\r\n", lambda answer: self._judge(answer == word)]
        return b"334 VXNlcm5hbWU6\r\n"

    def _judge(self, right: bool) -> bytes:  # noqa: FBT001 - a verdict
        self._known = right
        return b"235 2.7.0 Ok\r\n" if right else b"535 5.7.8 No\r\n"

    def _upgrade(self, data: bytes) -> None:
        self.send(data)
        self._buffer = b""  # what came before TLS is not to be believed after it
        try:
            self.socket = self._context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        except OSError:
            self.close()
        else:
            self.listener.hand_over(self.socket, self._shake_hands)

    def _shake_hands(self) -> None:
        assert isinstance(self.socket, ssl.SSLSocket)
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return
        except OSError:
            self.close()
        else:
            self._secure = True
            self.listener.hand_over(self.socket, self.readable)

    def _leave(self, data: bytes) -> None:
        self.send(data)
        if isinstance(self.socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):  # the client did not wait for it, as is Postfix's habit
                self.socket.unwrap()
        self.close()


class Body:
    """A message as it comes in; only its head is kept."""

    def __init__(self) -> None:
        self.complete = False
        self._head = b""

    def feed(self, data: bytes, start: int) -> int:
        """Take what belongs to the message; answers where the rest begins."""
        end = data.find(_END, start)
        self.complete = end >= 0
        # An unfinished message leaves its last bytes in the buffer: they may be the first of the end mark.
        stop = end if self.complete else max(start, len(data) - len(_END) + 1)
        if len(self._head) < _HEAD_LIMIT:
            self._head += data[start:stop]
        return stop + len(_END) if self.complete else stop

    def identity(self) -> bytes:
        """The Message-ID without its angle brackets; all messages without one are the same."""
        head = self._head
        at = head.find(b"\nMessage-ID:")
        if at < 0:
            at = head.lower().find(b"\nmessage-id:")
        if at < 0:
            return b""
        return head[head.index(b"<", at) + 1 : head.index(b">", at)]


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--delay-ms", type=float, default=0)
    options = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certificate, options.key)
    listener = Listener(Tally(), partial(Session, context=context), delay=options.delay_ms / 1000)
    announce(listener.port)
    listener.serve()


if __name__ == "__main__":
    _main()
