"""A blocking connection to a server: bytes in and out, each failure as a MailAccessError with the stage at which it came."""

import contextlib
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

from mailsvc import clock
from mailsvc.domain.connection import failure_in_words, tls_context
from mailsvc.domain.targets import Forbidden, vet
from mailsvc.forking import close_in_child
from mailsvc.mailaccess.account import Server, Timeouts
from mailsvc.mailaccess.errors import MailAccessError, Stage, TlsFailed, Unreachable

__all__ = ["Wire"]

CHUNK = 64 * 1024

Address = tuple[int, tuple[Any, ...]]  # family and sockaddr, as getaddrinfo gives them


class Wire:
    """One connection. Everything but ``close`` belongs to one thread.

    Args:
        ports: a sentence that helps who took the wrong port.
    """

    def __init__(self, server: Server, timeouts: Timeouts, *, ports: str) -> None:
        self._server, self._timeouts, self._ports = server, timeouts, ports
        self._lock = threading.Lock()  # held only to change or shut the socket, never while waiting
        self._socket: socket.socket | None = None
        self._is_closed = False

    def connect(self, report: Callable[[Stage, str], None]) -> None:
        """Connect to the first address of the host that answers; protect the connection where TLS is implicit.

        Args:
            report: told of each stage that is done, with a detail for people.

        Raises:
            Unreachable, TlsFailed: that was not possible.
        """
        addresses = self._resolve()
        report(Stage.RESOLVE, ", ".join(dict.fromkeys(str(sockaddr[0]) for _, sockaddr in addresses)))
        report(Stage.CONNECT, self._connect_to_one_of(addresses))
        if self._server.tls == "implicit":
            report(Stage.TLS, self.start_tls())

    def start_tls(self) -> str:
        """Protect the connection; raises TlsFailed or Unreachable.

        Returns:
            The protocol's version and the cipher.
        """
        with self._translated(Stage.TLS):
            server = self._server
            context = tls_context(verify=server.verify, ca_pem=server.ca_pem)
            # The handshake comes after the exchange of sockets, so that close() can end it.
            protected = context.wrap_socket(self._open(), server_hostname=server.host, do_handshake_on_connect=False)
            self._hold(protected)
            protected.settimeout(self._timeouts.tls)
            protected.do_handshake()
            return f"{protected.version()} {(protected.cipher() or ('',))[0]}"

    def send(self, data: bytes, stage: Stage) -> None:
        """Send all of it; raises Unreachable."""
        with self._translated(stage):
            connection = self._open()
            connection.settimeout(self._timeouts.reply)
            connection.sendall(data)

    def receive(self, stage: Stage) -> bytes:
        """What has come, after waiting for it; no bytes when the server has closed. Raises Unreachable."""
        with self._translated(stage):
            connection = self._open()
            connection.settimeout(self._timeouts.reply)
            data = connection.recv(CHUNK)
            if not data:
                self._open()  # it may be our own end that was shut
            return data

    def receive_now(self, stage: Stage) -> bytes | None:
        """As ``receive``, without waiting; None where nothing has come."""
        with self._translated(stage):
            connection = self._open()
            if not (isinstance(connection, ssl.SSLSocket) and connection.pending()) and not _has_input(connection):
                return None
            connection.settimeout(0)
            try:
                return connection.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return None  # half a TLS record, or one without data, such as a session ticket

    def receive_within(self, seconds: float, stage: Stage) -> bytes | None:
        """As ``receive``, but None when nothing has come after so long."""
        with self._translated(stage):
            connection = self._open()
            connection.settimeout(seconds)
            try:
                data = connection.recv(CHUNK)
            except TimeoutError:
                return None
            if not data:
                self._open()
            return data

    def close(self) -> None:
        """Close, at once and for good. Any thread may call it: whoever waits for the server gets Unreachable."""
        with self._lock:
            self._is_closed = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Not SSLSocket.shutdown: it takes TLS off, and a thread in the middle of sending would go on in the clear.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def release(self) -> None:
        """Close, and give the descriptor back; only the thread that uses the connection may call it."""
        self.close()
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    # Connecting

    def _resolve(self) -> list[Address]:
        server = self._server
        with self._translated(Stage.RESOLVE):
            found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys((int(entry[0]), entry[4]) for entry in found))
            vet((_ip(address) for address in addresses), server.targets, setting="MAILSVC_RELAY_TARGETS")
            return addresses

    def _connect_to_one_of(self, addresses: list[Address]) -> str:
        deadline = clock.monotonic() + self._timeouts.connect
        failures = []
        for at, address in enumerate(addresses):
            # A share for each, so that one that swallows everything leaves time for the others.
            seconds = max(0.1, deadline - clock.monotonic()) / (len(addresses) - at)
            try:
                with self._translated(Stage.CONNECT):
                    self._connect_to(address, seconds)
                return f"{address[1][0]} port {self._server.port}"
            except Unreachable as error:
                failures.append(f"{address[1][0]}: {error.text}")
        raise Unreachable(Stage.CONNECT, "; ".join(failures))

    def _connect_to(self, address: Address, seconds: float) -> None:
        family, sockaddr = address
        connection = socket.socket(family, socket.SOCK_STREAM)
        self._hold(connection)
        connection.settimeout(seconds)
        connection.connect(sockaddr)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _hold(self, connection: socket.socket) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = close_in_child(connection)
        self._open()

    def _open(self) -> socket.socket:
        if self._is_closed or self._socket is None:
            raise ConnectionAbortedError("closed")
        return self._socket

    @contextlib.contextmanager
    def _translated(self, stage: Stage) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise self._translation(error, stage) from error

    def _translation(self, error: Exception, stage: Stage) -> MailAccessError:
        if self._is_closed:
            return Unreachable(stage, "closed by this program")
        words = str(error) if isinstance(error, Forbidden) else failure_in_words(error, ports=self._ports)
        is_lost = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        is_about_tls = isinstance(error, ssl.SSLError) or (stage is Stage.TLS and isinstance(error, ValueError))
        return TlsFailed(stage, words) if is_about_tls and not is_lost else Unreachable(stage, words)


def _has_input(connection: socket.socket) -> bool:
    poll = select.poll()  # not select(): a process with many mailboxes has descriptors above 1023
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _ip(address: Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(str(address[1][0]).partition("%")[0])
