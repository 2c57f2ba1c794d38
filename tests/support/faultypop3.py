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

What moods are, and how often they come, is said in ``faultymailbox``.
"""

import socket
from collections.abc import Sequence
from typing import Any

from tests.support.faultymailbox import (
    DROP,
    HANG,
    RESET,
    USUAL,
    Conversation,
    Endless,
    FaultyMailbox,
    Mood,
    Over,
    Script,
)
from tests.support.sasl import PASSWORD, USER

__all__ = ["DROP", "HANG", "RESET", "USUAL", "Endless", "FaultyPop3", "Mood"]

OFFERS = ("TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "SASL PLAIN XOAUTH2 OAUTHBEARER")


class _Conversation(Conversation):
    greeting = "+OK faulty.test"

    def __init__(self, server: FaultyMailbox, connection: socket.socket) -> None:
        super().__init__(server, connection)
        self.name = ""
        self.marked: set[int] = set()

    def take(self, line: str) -> None:
        self.server.commands.append(line)
        word, _, rest = line.partition(" ")
        verb = word.lower()
        action = getattr(self, f"do_{verb}", None)
        if action is None:
            self.play(verb, "-ERR unknown command")
            return
        self.play(verb, action(rest))
        if verb == "stls" and self.server.offers is not None and not self.protected:
            self.protect()
        if verb == "quit":
            raise Over

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
        return "+OK welcome" if self.sasl(rest.upper()).user else "-ERR [AUTH] no"

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


class FaultyPop3(FaultyMailbox):
    """As ``FaultyMailbox``.

    Args:
        messages: as they are on the server, with CRLF and without dots doubled. QUIT removes those that were marked.
        offers: the answer to CAPA, besides STLS; None for a server that has no CAPA.
    """

    conversation = _Conversation

    def __init__(
        self,
        script: Script | None = None,
        *,
        messages: Sequence[bytes] = (),
        offers: Sequence[str] | None = OFFERS,
        **given: Any,
    ) -> None:
        super().__init__(script, messages=dict(enumerate(messages, 1)), offers=offers, **given)
