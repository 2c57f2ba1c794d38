"""Wake-ups between the processes of a host. They are only hints: polling finds what a lost wake-up missed.

Every process of a host listens on a datagram socket in ``<data dir>/wake``; ringing sends one byte a topic to each.
"""

import asyncio
import contextlib
import os
import socket
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from mailsvc import clock
from mailsvc.forking import close_in_child

__all__ = ["DELIVER", "EVENTS", "MAILBOXES", "NOTIFY", "RELAYS", "SUBMISSIONS", "Bell", "Ear"]

DELIVER, NOTIFY, EVENTS, RELAYS, MAILBOXES, SUBMISSIONS = b"d", b"n", b"e", b"r", b"m", b"s"


class _Directory:
    """The directory of sockets, by a path short enough for the 107 characters of a socket's address."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "wake"
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._closing = weakref.finalize(self, os.close, self._descriptor)

    def close(self) -> None:
        self._closing()

    def address(self, name: str) -> str:
        return f"/proc/self/fd/{self._descriptor}/{name}"


class Bell:
    """Wakes all listeners on this host."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = _Directory(data_dir)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._names: list[str] = []
        self._read_at = -1.0
        self._lock = threading.Lock()

    def ring(self, *topics: bytes) -> None:
        """Wake every listener of these topics. Never raises: at worst nobody is woken."""
        note = b"".join(topics)
        for name in self._listeners():
            try:
                self._socket.sendto(note, self._directory.address(name))
            except (ConnectionRefusedError, FileNotFoundError):
                self._remove(name)
            except OSError:
                continue  # its queue is full, so it will wake, or the system lacks a resource

    def close(self) -> None:
        """Let go of what it holds."""
        self._socket.close()
        self._directory.close()

    def _listeners(self) -> list[str]:
        now = clock.monotonic()
        with self._lock:
            if now - self._read_at > 0.5:
                with contextlib.suppress(OSError):  # no file descriptor is left: the previous names are enough
                    self._names, self._read_at = [path.name for path in self._directory.path.iterdir()], now
            return list(self._names)

    def _remove(self, name: str) -> None:
        """Remove the socket of a killed process."""
        with contextlib.suppress(OSError):
            (self._directory.path / name).unlink()
        with self._lock:
            self._read_at = -1.0


class Ear:
    """Receives wake-ups, in a thread or in an event loop."""

    def __init__(self, data_dir: Path, name: str) -> None:
        directory = self._directory = close_in_child(_Directory(data_dir))
        self._path = directory.path / f"{name}.sock"
        self._socket = close_in_child(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._socket.bind(directory.address(f"{name}.sock"))

    def listen_in_loop(self, heard: Callable[[bytes], None]) -> None:
        """Call ``heard(topics)`` in the running event loop."""
        self._socket.setblocking(False)  # noqa: FBT003 - its only parameter

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard(self._socket.recv(64))

        asyncio.get_running_loop().add_reader(self._socket, read)

    def listen_in_thread(self, heard: Callable[[bytes], None]) -> None:
        """Call ``heard(topics)`` from a thread of its own."""

        def read() -> None:
            with contextlib.suppress(OSError):
                while topics := self._socket.recv(64):
                    heard(topics)

        threading.Thread(target=read, name="ear", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(self._socket)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)  # ends the thread, if one waits
        self._socket.close()
        self._directory.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
