"""Connections to a server on loopback, all driven by one thread with as few system calls as can be.

Not asyncio, for the same reason as in ``bench.listener``: what a load generator uses, the measured system lacks.
"""

import select
import socket
from collections.abc import Iterator
from typing import Generic, TypeVar

_READ = 65536


class Connection:
    """Sends at once as much as the kernel takes, the rest as soon as it takes more."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unsent: list[memoryview] = []
        self._epoll: select.epoll | None = None

    def send(self, *parts: bytes) -> None:
        """One after the other, in one system call where they fit."""
        self._unsent = [memoryview(part) for part in parts]
        if not self._push() and self._epoll:
            self._epoll.modify(self.socket, select.EPOLLIN | select.EPOLLOUT)

    def send_rest(self) -> None:
        """There is room again."""
        if self._push() and self._epoll:
            self._epoll.modify(self.socket, select.EPOLLIN)

    def _push(self) -> bool:
        try:
            sent = self.socket.sendmsg(self._unsent)
        except BlockingIOError:
            sent = 0
        while self._unsent and sent >= len(self._unsent[0]):
            sent -= len(self._unsent.pop(0))
        if self._unsent:
            self._unsent[0] = self._unsent[0][sent:]
        return not self._unsent

    def receive(self) -> bytes:
        """What has come.

        Raises:
            ConnectionResetError: the end.
        """
        data = self.socket.recv(_READ)
        if not data:
            raise ConnectionResetError("closed before the response")
        return data

    def join(self, epoll: select.epoll) -> None:
        """From now on never wait for this one connection."""
        self._epoll = epoll
        self.socket.setblocking(False)
        epoll.register(self.socket, select.EPOLLIN)


C = TypeVar("C", bound=Connection)


class Group(Generic[C]):
    """Connections that are waited for together."""

    def __init__(self, connections: list[C]) -> None:
        self.connections = connections
        self._epoll = select.epoll()
        self._by_descriptor = {connection.socket.fileno(): connection for connection in connections}
        for connection in connections:
            connection.join(self._epoll)

    def readable(self, seconds: float | None = None) -> Iterator[C]:
        """Those to which something has come; none of them, perhaps, when the time is over."""
        if seconds is not None:
            select.select([self._epoll], [], [], seconds)  # epoll itself counts in milliseconds
        for descriptor, event in self._epoll.poll(0 if seconds is not None else None):
            connection = self._by_descriptor[descriptor]
            if event & select.EPOLLOUT:
                connection.send_rest()
            if event & ~select.EPOLLOUT:
                yield connection
