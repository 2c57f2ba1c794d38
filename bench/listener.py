"""What both sinks run in: one thread, epoll, and as few system calls for a message as the protocol allows.

Not asyncio: its transports and its TLS cost more than all that a sink has to do, on cores that it shares with what is
measured. For the same reason answers leave at the end of a turn: a client is woken once, to find all of them.
"""

import os
import select
import socket
import ssl
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from bench.tally import Tally

_RECORD = 16384  # the most that one TLS record holds, so that OpenSSL never keeps a rest that epoll can't see


class Connection(ABC):
    """One client, plain or by TLS: to read and to write look the same."""

    def __init__(self, listener: "Listener", sock: socket.socket) -> None:
        self.listener, self.socket = listener, sock

    @abstractmethod
    def take(self, data: bytes) -> None:
        """These bytes have come."""

    def readable(self) -> None:
        """There is something to read, or the client has left."""
        try:
            data = self.socket.recv(_RECORD)
        except ssl.SSLWantReadError:  # not the whole record yet
            return
        except OSError:
            data = b""
        if data:
            self.take(data)
        else:
            self.close()

    def send(self, data: bytes) -> None:
        """At once. A client that lets its answers pile up until the kernel takes no more is none of ours."""
        try:
            self.socket.send(data)
        except OSError:
            self.close()

    def close(self) -> None:
        """Forget the client."""
        if self.socket.fileno() >= 0:
            self.listener.forget(self.socket)
            self.socket.close()


class Listener:
    """A port of loopback, its connections and the harness at the other end of standard input.

    Args:
        delay: seconds that every answer is held back.
    """

    def __init__(
        self, tally: Tally, connect: Callable[["Listener", socket.socket], Connection], *, delay: float = 0
    ) -> None:
        self.tally = tally
        self._connect, self._delay = connect, delay
        self._server = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._server.getsockname()[1]
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._answers: deque[tuple[float, Callable[[bytes], None], bytes]] = deque()  # with when they are due
        self._read_by(self._server.fileno(), self._accept)
        self._read_by(sys.stdin.fileno(), tally.obey)

    def serve(self) -> None:
        """Until the harness kills us."""
        # A real relay is another machine: its work takes no processor away from who is measured.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        readers, answers, poll = self._readers, self._answers, self._epoll.poll
        while True:
            for descriptor, _ in poll(max(0, answers[0][0] - time.monotonic()) if answers else None):
                readers[descriptor]()
            while answers and answers[0][0] <= time.monotonic():
                _, send, data = answers.popleft()
                send(data)

    def answer(self, send: Callable[[bytes], None], data: bytes) -> None:
        """Have this sent when it is due."""
        self._answers.append((time.monotonic() + self._delay if self._delay else 0.0, send, data))

    def hand_over(self, sock: socket.socket, reader: Callable[[], None]) -> None:
        """Who is told of what comes by this socket from now on."""
        self._readers[sock.fileno()] = reader

    def forget(self, sock: socket.socket) -> None:
        """Hear no more of it."""
        self._epoll.unregister(sock.fileno())
        del self._readers[sock.fileno()]

    def _read_by(self, descriptor: int, reader: Callable[[], None]) -> None:
        self._readers[descriptor] = reader
        self._epoll.register(descriptor, select.EPOLLIN)

    def _accept(self) -> None:
        sock, _ = self._server.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tally.connections += 1
        self._read_by(sock.fileno(), self._connect(self, sock).readable)
