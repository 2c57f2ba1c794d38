"""A receiving submission server (STARTTLS, AUTH, PIPELINING) that only counts: ``python -m bench.sink``.

It must never be the limit of what is measured, so it does the least that a client can't tell from a real server.
The identity of a message is its Message-ID. ``--delay-ms`` holds every reply back for that long after its command
arrived; replies to commands that arrived together leave together, as over a long line.
"""

import argparse
import asyncio
import base64
import ssl
from collections import deque
from collections.abc import Callable

from bench.counters import PASSWORD, USERNAME
from bench.tally import Tally, announce

_END = b"\r\n.\r\n"
_HEAD_LIMIT = 65536
_PLAIN = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode())
_OPEN = (
    b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"
)
_BEFORE_TLS = _OPEN + b"250 STARTTLS\r\n"
_AFTER_TLS = _OPEN + b"250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN\r\n"
_OK = b"250 2.0.0 Ok\r\n"


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, tally: Tally, context: ssl.SSLContext, delay: float) -> None:
        self._tally, self._context, self._delay = tally, context, delay
        self._late: deque[bytes] = deque()
        self._buffer = b""
        self._secure = self._upgrading = self._known = self._leaving = False
        self._body: Body | None = None
        self._expected: list[Callable[[bytes], bytes]] = []  # answers to come within AUTH

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise
        self._transport = transport
        self._tally.connections += 1
        self._reply(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._upgrading:
            self._work()

    def _work(self) -> None:
        data, position, replies = self._buffer, 0, []
        while not self._upgrading:
            if self._body is not None:
                position = self._body.feed(data, position)
                if not self._body.complete:
                    break
                self._tally.add(self._body.identity())
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
            self._reply(b"".join(replies))

    def _answer(self, line: bytes) -> bytes:
        if self._expected:
            return self._expected.pop(0)(line)
        verb = line[:4].upper()
        if verb in (b"MAIL", b"RCPT"):
            return _OK if self._known else b"530 5.7.0 Authenticate first\r\n"
        if verb == b"DATA":
            self._body = Body()
            return b"354 Go on\r\n"
        return self._answer_rare(verb, line)

    def _answer_rare(self, verb: bytes, line: bytes) -> bytes:
        match verb:
            case b"EHLO" | b"HELO":
                return _AFTER_TLS if self._secure else _BEFORE_TLS
            case b"STAR":
                self._upgrading = True
                asyncio.get_running_loop().call_soon(self._upgrade)
                return b"220 2.0.0 Go on\r\n"
            case b"AUTH":
                return self._authenticate(line[5:]) if self._secure else b"538 5.7.11 Encrypt first\r\n"
            case b"RSET" | b"NOOP":
                return _OK
            case b"QUIT":
                self._leaving = True
                return b"221 2.0.0 Bye\r\n"
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

    def _upgrade(self) -> None:
        if self._late:  # the 220 is still held back
            asyncio.get_running_loop().call_later(self._delay / 2, self._upgrade)
            return
        self._transport.pause_reading()
        self._handshake = asyncio.ensure_future(self._shake_hands())

    async def _shake_hands(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self._transport, self, self._context, server_side=True)
        except OSError:
            self._transport.abort()
            return
        assert transport is not None  # noqa: S101 - only for a closing transport
        self._transport, self._secure, self._upgrading = transport, True, False
        if self._buffer:
            self._work()

    def _reply(self, data: bytes) -> None:
        if not self._delay:
            self._send(data)
            return
        self._late.append(data)
        asyncio.get_running_loop().call_later(self._delay, self._write_late)

    def _write_late(self) -> None:
        self._send(self._late.popleft())

    def _send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
        if self._leaving and not self._late:
            self._transport.close()


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


async def _serve(certificate: str, key: str, delay: float) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    tally = Tally()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(tally, context, delay), "127.0.0.1", 0, backlog=512)
    announce(server.sockets[0].getsockname()[1])
    await tally.serve_control()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--delay-ms", type=float, default=0)
    options = parser.parse_args()
    asyncio.run(_serve(options.certificate, options.key, options.delay_ms / 1000))


if __name__ == "__main__":
    _main()
