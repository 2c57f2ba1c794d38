"""A POP3 server on loopback that does at each command what a script says, and writes down what it heard.

``with FaultyPop3({"retr": "-ERR gone", "quit": DROP}, messages=[b"..."]) as server: Session(server.account())``

A script maps a stage to a mood; stages without one go well.

| stage       | when                                                                                     |
| ----------- | ---------------------------------------------------------------------------------------- |
| ``connect`` | accepted, before TLS and greeting                                                        |
| ``tls``     | instead of the server's side of the handshake                                            |
| ``greeting``| instead of the greeting                                                                  |
| ``capa`` ``stls`` ``user`` ``pass`` ``auth`` ``stat`` ``list`` ``uidl`` ``top`` ``retr`` ``dele`` ``rset`` ``noop`` ``quit`` | instead of the answer |
| ``challenge`` | instead of a challenge within AUTH                                                     |

``stage:k`` is the k-th such command of its connection, counted from 1. A list holds one mood for each time, then all is well.

A mood is a line (``str``), bytes as they are, DROP, RESET, HANG, USUAL (what would have come without a script), ``Endless(bytes)``,
an ``Event`` to set, or a tuple of moods, one after another.
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
from typing import Any, Literal, TypeAlias

from mailsvc.mailaccess.account import Credentials, Server
from tests.support.certificates import Certificate, authority, server_context
from tests.support.sasl import PASSWORD, USER, Judge

__all__ = ["DROP", "HANG", "RESET", "USUAL", "Endless", "FaultyPop3", "Mood"]

OFFERS = ("TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "SASL PLAIN XOAUTH2 OAUTHBEARER")


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


class _Over(Exception):
    """This connection has come to its end."""


class FaultyPop3:
    """Listens while its context is open; each connection is a thread.

    Args:
        messages: as they are on the server, with CRLF and without dots doubled. QUIT removes those that were marked.
        offers: the answer to CAPA, besides STLS; None for a server that has no CAPA.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        messages: Sequence[bytes] = (),
        offers: Sequence[str] | None = OFFERS,
        tls: Literal["implicit", "starttls", "none"] = "none",
        certificate: Certificate = "good",
    ) -> None:
        self.script = {key: list(mood) if isinstance(mood, list) else mood for key, mood in (script or {}).items()}
        self.messages, self.offers, self.tls = dict(enumerate(messages, 1)), offers, tls
        self.context = server_context(certificate)
        self.commands: list[str] = []
        self.talk = _Connection
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._talks: list[_Connection] = []

    def __enter__(self) -> "FaultyPop3":
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
            talk = self.talk(self, connection)
            self._talks.append(talk)
            thread = threading.Thread(target=self._serve, args=(talk,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, talk: "_Connection") -> None:
        with contextlib.suppress(_Over, OSError, ValueError):
            talk.talk()
        with contextlib.suppress(OSError):
            talk.socket.shutdown(socket.SHUT_RDWR)
        talk.socket.close()


class _Connection:
    def __init__(self, server: FaultyPop3, connection: socket.socket) -> None:
        self.server, self.socket = server, connection
        self.buffer = b""
        self.counts: Counter[str] = Counter()
        self.protected = False
        self.name = ""
        self.marked: set[int] = set()

    def talk(self) -> None:
        self.play("connect", b"")
        if self.server.tls == "implicit":
            self.protect()
        self.play("greeting", "+OK faulty.test")
        while True:
            line = self.line()
            self.server.commands.append(line)
            verb, _, rest = line.partition(" ")
            self.command(verb.lower(), rest)

    def command(self, verb: str, rest: str) -> None:
        action = getattr(self, f"do_{verb}", None)
        if action is None:
            self.play(verb, "-ERR unknown command")
            return
        self.play(verb, action(rest))
        if verb == "stls" and self.server.offers is not None and not self.protected:
            self.protect()
        if verb == "quit":
            raise _Over

    # Moods

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
                raise _Over
            case _Fault.RESET:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.socket.close()
                raise _Over
            case _Fault.HANG:
                while self.socket.recv(65536):
                    pass
                raise _Over
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
                raise _Over
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("utf-8", "replace")

    # Commands: each gives its usual answer

    def do_capa(self, rest: str) -> str:
        if self.server.offers is None:
            return "-ERR unknown command"
        offers = [*self.server.offers, *(["STLS"] if self.server.tls == "starttls" and not self.protected else [])]
        return "\r\n".join(["+OK", *offers, "."])

    def do_user(self, rest: str) -> str:
        self.name = rest
        return "+OK"

    def do_pass(self, rest: str) -> str:
        return "+OK welcome" if (self.name, rest) == (USER, PASSWORD) else "-ERR [AUTH] no"

    def do_auth(self, rest: str) -> str:
        judge = Judge(rest.upper())
        response = None
        while (challenge := judge.challenge(response)) is not None:
            self.play("challenge", "+ " + base64.b64encode(challenge).decode())
            line = self.line()
            self.server.commands.append(line)
            response = base64.b64decode(line)
        return "+OK welcome" if judge.user else "-ERR [AUTH] no"

    @property
    def there(self) -> dict[int, bytes]:
        return {number: content for number, content in self.server.messages.items() if number not in self.marked}

    def do_stat(self, rest: str) -> str:
        return f"+OK {len(self.there)} {sum(map(len, self.there.values()))}"

    def do_list(self, rest: str) -> str:
        return "\r\n".join(["+OK", *(f"{number} {len(content)}" for number, content in self.there.items()), "."])

    def do_uidl(self, rest: str) -> str:
        return "\r\n".join(["+OK", *(f"{number} uid{number}" for number in self.there), "."])

    def do_retr(self, rest: str) -> str | bytes:
        content = self.there.get(int(rest))
        return "-ERR no such message" if content is None else b"+OK\r\n" + _stuffed(content)

    def do_top(self, rest: str) -> str | bytes:
        number, lines = map(int, rest.split())
        if number not in self.there:
            return "-ERR no such message"
        header, _, body = self.there[number].partition(b"\r\n\r\n")
        return b"+OK\r\n" + _stuffed(header + b"\r\n\r\n" + b"".join(body.splitlines(keepends=True)[:lines]))

    def do_dele(self, rest: str) -> str:
        if int(rest) not in self.there:
            return "-ERR no such message"
        self.marked.add(int(rest))
        return "+OK"

    def do_rset(self, rest: str) -> str:
        self.marked.clear()
        return "+OK"

    def do_noop(self, rest: str) -> str:
        return "+OK"

    do_stls = do_noop

    def do_quit(self, rest: str) -> str:
        if "quit" not in self.server.script:
            for number in self.marked:
                del self.server.messages[number]
        return "+OK bye"


def _stuffed(content: bytes) -> bytes:
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
