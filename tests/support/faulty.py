"""A scripted SMTP submission server on loopback: the script sets its behaviour at each stage; it records all messages.

``async with FaultyServer({"rcpt:2": "450 4.2.0 later", "dot": RESET}) as server: server.relay(), server.messages``

A script maps a stage to a mood; stages without a mood succeed.

| stage        | when                                                                          |
| ------------ | ----------------------------------------------------------------------------- |
| ``connect``  | accepted, before the greeting                                                 |
| ``greeting`` | instead of the greeting                                                       |
| ``ehlo`` ``helo`` ``starttls`` ``auth`` ``mail`` ``rcpt`` ``data`` ``rset`` ``quit`` | instead of the command's reply |
| ``tls``      | instead of the server's side of the TLS handshake                             |
| ``challenge``| instead of a challenge within AUTH                                            |
| ``body:N``   | when N bytes of the content have been read                                    |
| ``dot``      | at the final dot, before the message is stored                                |
| ``stored``   | instead of the reply to the dot, after the message was stored                 |

``stage:k`` is the k-th such command of its transaction (``rcpt``) or of its connection (all others), counted from 1;
``rcpt alice@example.test`` is that recipient. A list contains one mood per occurrence over the server's life; later ones
succeed.

A mood is a reply (``str``; ``bytes`` are sent unchanged), DROP, RESET, HANG, FORGET, ``Late(seconds, mood)``, None for "as
usual", an ``asyncio.Event`` for "as usual, once it is set", or a tuple of moods, in order. After a 2xx or 3xx reply the
command also takes effect; after 421 the connection is closed.
"""

import asyncio
import base64
import contextlib
import re
import socket
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypeAlias

from mailsvc.domain.relay import Relay, Timeouts
from tests.support.certificates import Certificate, authority, server_context
from tests.support.sasl import PASSWORD, USER, Judge

__all__ = ["DROP", "FORGET", "HANG", "RESET", "FaultyServer", "Late", "Mood", "Received"]

OFFERS = ("PIPELINING", "SIZE 26214400", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER")
BRISK = Timeouts(connect=20, greeting=20, ehlo=20, mail=20, rcpt=20, data=20, body=20, eom=20)

_PATH = re.compile(r'(?:FROM|TO):<((?:"(?:[^"\\]|\\.)*"|[^">])*)>(.*)', re.IGNORECASE)


class _Fault(Enum):
    DROP = "close the connection"
    RESET = "reset it (RST)"
    HANG = "neither read nor write any more"
    FORGET = "lose what else has come by now"


DROP, RESET, HANG, FORGET = _Fault


@dataclass(frozen=True)
class Late:
    """A mood after a delay."""

    seconds: float
    mood: "Mood"


Mood: TypeAlias = "str | bytes | _Fault | Late | asyncio.Event | tuple[Mood, ...] | None"
Script: TypeAlias = Mapping[str, "Mood | list[Mood]"]


@dataclass
class Received:
    """One received transaction."""

    sender: str
    parameters: str
    user: str | None
    protected: bool
    recipients: list[str] = field(default_factory=list)
    recipient_parameters: list[str] = field(default_factory=list)
    content: bytes = b""  # dots unstuffed


class _Over(Exception):
    """Raised to end this connection."""


class FaultyServer:
    """Listens while its context is open.

    Args:
        script: the moods.
        offers: the extensions in EHLO, besides STARTTLS and AUTH.
        mechanisms: of AUTH.
        tls: as the relay's: ``starttls`` or ``implicit`` or ``none``.
        certificate: the valid one, or one of the invalid ones; ``old`` supports nothing above TLS 1.1.
        small: use a small receive buffer, so that unread data stays with the client.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        offers: Sequence[str] = OFFERS,
        mechanisms: Sequence[str] = MECHANISMS,
        tls: Literal["starttls", "implicit", "none"] = "starttls",
        certificate: Certificate = "good",
        small: bool = False,
    ) -> None:
        self.script = {key: list(value) if isinstance(value, list) else value for key, value in (script or {}).items()}
        self.offers, self.mechanisms, self.tls = tuple(offers), tuple(mechanisms), tls
        self.context = server_context(certificate)
        self.ca_pem = authority().cert_pem.bytes().decode()
        self.port = 0
        self.messages: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self._small = small
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaultyServer":
        listening = socket.create_server(("127.0.0.1", 0))
        if self._small:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._server = await asyncio.start_server(self._serve, sock=listening)
        self.port = listening.getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def relay(self, **given: Any) -> Relay:
        """Return a relay that leads to this server."""
        account: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "tls": self.tls, "ca_pem": self.ca_pem}
        account |= {"username": USER, "password": PASSWORD, "timeouts": BRISK, "ehlo": "[127.0.0.1]"}
        return Relay(**{"id": "rly_1", "name": "faulty", **account, **given})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        with contextlib.suppress(_Over, OSError, asyncio.CancelledError):
            await _Connection(self, reader, writer).talk()
        writer.transport.abort()

    def mood(self, stage: str, *details: object) -> Mood:
        """Return the script's mood for the stage; the most specific entry counts."""
        for key in (*(f"{stage}{detail}" for detail in details), stage):
            if key in self.script:
                mood = self.script[key]
                if not isinstance(mood, list):
                    return mood
                return mood.pop(0) if mood else None
        return None


class _Connection:
    def __init__(self, server: FaultyServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.buffer = b""
        self.counts: Counter[str] = Counter()
        self.protected = False
        self.user: str | None = None
        self.current: Received | None = None

    async def talk(self) -> None:
        await self.play(self.server.mood("connect"))
        if self.server.tls == "implicit":
            await self.protect()
        if not await self.play(self.server.mood("greeting")):
            self.say("220 faulty.test ESMTP")
        while True:
            line = (await self.line()).decode("utf-8", "replace")
            self.server.commands.append(line)
            verb, _, rest = line.partition(" ")
            await self.command(verb.lower(), rest)

    async def command(self, verb: str, rest: str) -> None:
        self.counts[verb] += 1
        mood = self.server.mood(verb, *self.details(verb, rest))
        action = getattr(self, f"do_{verb}", None)
        usual = "250 2.0.0 ok" if action else "500 5.5.1 unknown"
        if mood is None:
            await (action(rest, usual) if action else self.play(usual))
        elif (first := _first_reply(mood)) and first[:1] in "23" and action:
            await action(rest, mood)
        else:
            await self.play(mood)

    def details(self, verb: str, rest: str) -> list[str]:
        if verb != "rcpt":
            return [f":{self.counts[verb]}"]
        path = _PATH.match(rest)
        return [f" {path[1]}" if path else "", f":{self.counts['rcpt']}"]

    # Moods

    async def play(self, mood: Mood) -> bool:
        """Perform the mood. Returns False if there is none."""
        match mood:
            case None:
                return False
            case str() | bytes():
                self.say(mood)
                if mood[:3] in ("421", b"421"):
                    await self.leave()
            case asyncio.Event():
                await mood.wait()
                return False
            case Late(seconds, then):
                await asyncio.sleep(seconds)
                await self.play(then)
            case _Fault.HANG:
                self.writer.transport.pause_reading()  # type: ignore[attr-defined]
                await asyncio.Event().wait()
            case _Fault.FORGET:
                self.buffer = b""
            case _Fault.DROP:
                await self.leave()
            case _Fault.RESET:
                linger = struct.pack("ii", 1, 0)
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.writer.transport.abort()
                raise _Over
            case _:
                for one in mood:
                    await self.play(one)
        return True

    def say(self, reply: str | bytes) -> None:
        self.writer.write(reply if isinstance(reply, bytes) else reply.replace("\n", "\r\n").encode() + b"\r\n")

    async def leave(self) -> None:
        await self.writer.drain()
        self.writer.close()
        await self.writer.wait_closed()
        raise _Over

    # Reading

    async def more(self) -> None:
        data = await self.reader.read(65536)
        if not data:
            raise _Over
        self.buffer += data

    async def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            await self.more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    async def content(self) -> bytes:
        body, seen = bytearray(b"\r\n" + self.buffer), 0  # the dot may be the first line
        self.buffer = b""
        stops = sorted((int(key[5:]) for key in self.server.script if key.startswith("body:")), reverse=True)
        while (end := body.find(b"\r\n.\r\n", max(0, seen - 4))) < 0 or stops:
            if stops and len(body) - 2 >= stops[-1]:
                await self.play(self.server.mood(f"body:{stops.pop()}"))
            elif end >= 0:
                break
            else:
                seen = len(body)
                await self.more()
                body += self.buffer
                self.buffer = b""
        content, self.buffer = bytes(body[2 : end + 2]), bytes(body[end + 5 :])
        return (b"\r\n" + content).replace(b"\r\n.", b"\r\n")[2:]

    # Commands

    async def do_ehlo(self, rest: str, mood: Mood) -> None:
        self.current = None
        lines = ["faulty.test", *self.server.offers]
        if self.server.tls == "starttls" and not self.protected:
            lines.append("STARTTLS")
        elif self.server.mechanisms:
            lines.append("AUTH " + " ".join(self.server.mechanisms))
        usual = "\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines)
        await self.play(usual if mood == "250 2.0.0 ok" else mood)

    do_helo = do_ehlo

    async def do_starttls(self, rest: str, mood: Mood) -> None:
        await self.play("220 2.0.0 go ahead" if mood == "250 2.0.0 ok" else mood)
        await self.protect()

    async def protect(self) -> None:
        await self.play(self.server.mood("tls"))
        await self.writer.start_tls(self.server.context)
        self.protected, self.buffer, self.current = True, b"", None

    async def do_auth(self, rest: str, mood: Mood) -> None:
        mechanism, _, initial = rest.partition(" ")
        judge = Judge(mechanism.upper())
        response = base64.b64decode(initial) if initial else None
        while (challenge := judge.challenge(response)) is not None:
            if not await self.play(self.server.mood("challenge")):
                self.say("334 " + base64.b64encode(challenge).decode())
            line = await self.line()
            self.server.commands.append(line.decode())
            response = base64.b64decode(line)
        self.user = judge.user
        accepted = "235 2.7.0 welcome" if mood == "250 2.0.0 ok" else mood
        await self.play(accepted if judge.user else "535 5.7.8 credentials invalid")

    async def do_mail(self, rest: str, mood: Mood) -> None:
        path = _PATH.match(rest)
        if self.current is not None or path is None:
            await self.play("503 5.5.1 nested MAIL" if path else "501 5.5.4 syntax")
            return
        self.counts["rcpt"] = 0
        self.current = Received(path[1], path[2].strip(), self.user, self.protected)
        await self.play(mood)

    async def do_rcpt(self, rest: str, mood: Mood) -> None:
        path = _PATH.match(rest)
        if self.current is None or path is None:
            await self.play("503 5.5.1 MAIL first" if path else "501 5.5.4 syntax")
            return
        self.current.recipients.append(path[1])
        self.current.recipient_parameters.append(path[2].strip())
        await self.play(mood)

    async def do_data(self, rest: str, mood: Mood) -> None:
        if mood == "250 2.0.0 ok":
            mood = "354 go on" if self.current and self.current.recipients else "554 5.5.1 no valid recipients"
        await self.play(mood)
        if not (_first_reply(mood) or "").startswith("354"):
            return
        content = await self.content()
        self.counts["dot"] += 1
        mood = self.server.mood("dot", f":{self.counts['dot']}")
        if mood is not None and (_first_reply(mood) or "")[:1] != "2":
            self.current = None
            await self.play(mood)
            return
        if self.current is not None:
            self.current.content = content
            self.server.messages.append(self.current)
        self.current = None
        await self.play(self.server.mood("stored", f":{self.counts['dot']}") or mood or "250 2.0.0 queued")

    async def do_rset(self, rest: str, mood: Mood) -> None:
        self.current = None
        await self.play(mood)

    async def do_quit(self, rest: str, mood: Mood) -> None:
        await self.play("221 2.0.0 bye" if mood == "250 2.0.0 ok" else mood)
        await self.leave()


def _first_reply(mood: Mood) -> str | None:
    while isinstance(mood, tuple | Late):
        mood = mood.mood if isinstance(mood, Late) else next((m for m in mood if m is not FORGET), None)
    return (
        mood.decode("utf-8", "replace").lstrip() if isinstance(mood, bytes) else mood if isinstance(mood, str) else None
    )
