"""What the faulty servers for reading mail share: a script of moods, a listening socket, a thread per connection.

A script maps a stage to a mood; stages without one go well. ``stage:k`` is the k-th such command of its connection, counted
from 1. A list holds one mood for each time, then all is well.

A mood is a line (``str``), bytes as they are, DROP, RESET, HANG, USUAL (what would have come without a script),
``Endless(bytes)``, an ``Event`` to set, or a tuple of moods, one after another.
"""

import base64
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Literal, Self, TypeAlias

from mailsvc.mailaccess.account import Credentials, Server
from tests.support.certificates import Certificate, authority, server_context
from tests.support.sasl import PASSWORD, USER, Judge

__all__ = ["DROP", "HANG", "RESET", "USUAL", "Conversation", "Endless", "FaultyMailbox", "Mood", "Over", "Script"]


class _Fault(Enum):
    DROP = "close the connection"
    RESET = "reset it (RST)"
    HANG = "wait until the client has gone"
    USUAL = "go on as if nothing were"


DROP, RESET, HANG, USUAL = _Fault


@dataclass(frozen=True)
class Endless:
    """These bytes again and again, until the client has gone."""

    data: bytes


Mood: TypeAlias = "str | bytes | _Fault | Endless | threading.Event | tuple[Mood, ...]"
Script: TypeAlias = Mapping[str, "Mood | list[Mood]"]


class Over(Exception):
    """This connection has come to its end."""


class FaultyMailbox:
    """Listens while its context is open; each connection is a thread.

    Args:
        messages: by their numbers or UIDs.
        offers: what it says it can do, besides TLS; None for a server that doesn't say.
    """

    conversation: ClassVar["type[Conversation]"]

    def __init__(
        self,
        script: Script | None,
        *,
        messages: Mapping[int, bytes],
        offers: Sequence[str] | None,
        tls: Literal["implicit", "starttls", "none"] = "none",
        certificate: Certificate = "good",
    ) -> None:
        self.script = {key: list(mood) if isinstance(mood, list) else mood for key, mood in (script or {}).items()}
        self.messages, self.offers, self.tls = dict(messages), offers, tls
        self.context = server_context(certificate)
        self.commands: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._talks: list[Conversation] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for talk in self._talks:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(talk.socket, socket.SHUT_RDWR)  # below TLS, which its own thread uses
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def account(self, **given: Any) -> Server:
        """How this server is reached."""
        port = self._listening.getsockname()[1]
        usual = {"host": "127.0.0.1", "port": port, "tls": self.tls, "ca_pem": authority().cert_pem.bytes().decode()}
        return Server(**{**usual, **given})

    @property
    def credentials(self) -> Credentials:
        """Those that are right."""
        return Credentials(USER, PASSWORD)

    def mood(self, stage: str, count: int) -> Mood:
        """What the script has, the most particular entry first."""
        for key in (f"{stage}:{count}", stage):
            if key in self.script:
                mood = self.script[key]
                if not isinstance(mood, list):
                    return mood
                return mood.pop(0) if mood else USUAL
        return USUAL

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what was said is there at once
            talk = self.conversation(self, connection)
            self._talks.append(talk)
            thread = threading.Thread(target=self._serve, args=(talk,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, talk: "Conversation") -> None:
        with contextlib.suppress(Over, OSError, ValueError):
            talk.talk()
        with contextlib.suppress(OSError):
            talk.socket.shutdown(socket.SHUT_RDWR)
        talk.socket.close()


class Conversation:
    """One connection: what protocols of lines and answers have in common. ``do_VERB`` gives a command's usual answer."""

    greeting = ""

    def __init__(self, server: FaultyMailbox, connection: socket.socket) -> None:
        self.server, self.socket = server, connection
        self.buffer = b""
        self.counts: Counter[str] = Counter()
        self.protected = False

    def talk(self) -> None:
        self.play("connect", b"")
        if self.server.tls == "implicit":
            self.protect()
        self.play("greeting", self.greeting)
        while True:
            self.take(self.line())

    def take(self, line: str) -> None:
        """Carry out the command of a line."""
        raise NotImplementedError

    def sasl(self, mechanism: str) -> Judge:
        """Ask and judge until the mechanism is at its end."""
        judge, response = Judge(mechanism), None
        while (challenge := judge.challenge(response)) is not None:
            self.play("challenge", "+ " + base64.b64encode(challenge).decode())
            line = self.line()
            self.server.commands.append(line)
            response = base64.b64decode(line)
        return judge

    def play(self, stage: str, usual: str | bytes) -> None:
        self.counts[stage] += 1
        self.act(self.server.mood(stage, self.counts[stage]), usual)

    def act(self, mood: Mood, usual: str | bytes) -> None:
        match mood:
            case _Fault.USUAL:
                self.act(usual, b"")
            case str():
                self.socket.sendall(mood.encode() + b"\r\n")
            case bytes():
                self.socket.sendall(mood)
            case threading.Event():
                mood.set()
            case Endless(data):
                while True:
                    self.socket.sendall(data)
            case _Fault.DROP:
                raise Over
            case _Fault.RESET:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.socket.close()
                raise Over
            case _Fault.HANG:
                while self.socket.recv(65536):
                    pass
                raise Over
            case _:
                for one in mood:
                    self.act(one, usual)

    def protect(self) -> None:
        self.play("tls", b"")
        self.socket = self.server.context.wrap_socket(self.socket, server_side=True)
        self.protected, self.buffer = True, b""

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise Over
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("utf-8", "replace")
