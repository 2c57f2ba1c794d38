"""An IMAP server on loopback that does at each command what a script says, and writes down what it heard.

``with FaultyImap({"fetch": "TAG NO gone", "logout": DROP}, messages={7: b"..."}) as server: Session(server.account())``

A script maps a stage to a mood; stages without one go well.

| stage       | when                                                                                     |
| ----------- | ---------------------------------------------------------------------------------------- |
| ``connect`` | accepted, before TLS and greeting                                                        |
| ``tls``     | instead of the server's side of the handshake                                            |
| ``greeting``| instead of the greeting                                                                  |
| ``capability`` ``starttls`` ``login`` ``authenticate`` ``select`` ``examine`` ``search`` ``fetch`` ``store`` ``copy`` ``move`` ``expunge`` ``idle`` ``done`` ``noop`` ``status`` ``list`` ``create`` ``append`` ``subscribe`` ``logout`` | instead of the answer |
| ``challenge`` | instead of a challenge within AUTHENTICATE                                             |

What moods are, and how often they come, is said in ``faultymailbox``; in text TAG stands for the command's tag.
"""

import re
from collections.abc import Mapping, Sequence
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

__all__ = ["DROP", "HANG", "RESET", "USUAL", "Endless", "FaultyImap", "Mood"]

OFFERS = ("IMAP4rev1", "IDLE", "UIDPLUS", "MOVE", "AUTH=PLAIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER")


class _Conversation(Conversation):
    greeting = "* OK faulty.test"
    tag = ""

    def take(self, line: str) -> None:
        self.tag, _, told = line.partition(" ")
        self.server.commands.append(told)
        word, _, rest = told.removeprefix("UID ").partition(" ")
        verb = word.lower()
        action = getattr(self, f"do_{verb}", None)
        if action is None:
            self.play(verb, "TAG BAD unknown command")
            return
        self.play(verb, "\r\n".join([*action(rest), "TAG OK done"]))
        if verb == "starttls":
            self.protect()
        if verb == "logout":
            raise Over

    def act(self, mood: Mood, usual: str | bytes) -> None:
        match mood:
            case str():
                super().act(mood.replace("TAG", self.tag), usual)
            case bytes():
                super().act(mood.replace(b"TAG", self.tag.encode()), usual)
            case _:
                super().act(mood, usual)

    # Commands: each gives the lines before the tagged one

    def do_capability(self, rest: str) -> list[str]:
        offers = self.server.offers or ()
        more = ["STARTTLS"] if self.server.tls == "starttls" and not self.protected else []
        return [" ".join(["* CAPABILITY", *offers, *more])]

    def do_login(self, rest: str) -> list[str]:
        return []

    do_noop = do_starttls = do_subscribe = do_create = do_copy = do_store = do_login

    def do_authenticate(self, rest: str) -> list[str]:
        self.sasl(rest)
        return []

    def do_select(self, rest: str) -> list[str]:
        exists, following = len(self.server.messages), max(self.server.messages, default=0) + 1
        return [f"* {exists} EXISTS", "* OK [UIDVALIDITY 3] ok", f"* OK [UIDNEXT {following}] ok"]

    do_examine = do_select

    def do_search(self, rest: str) -> list[str]:
        if rest.startswith("HEADER "):
            wanted = rest.split(" ", 2)[2].strip('"').encode()
            found = [uid for uid, message in self.server.messages.items() if wanted in message]
            return [" ".join(["* SEARCH", *map(str, found)])]
        found = re.fullmatch(r"UID (\d+):(\d+|\*)", rest)
        assert found is not None
        last = max(self.server.messages, default=0)
        first, end = sorted((int(found[1]), last if found[2] == "*" else int(found[2])))
        return [" ".join(["* SEARCH", *(str(uid) for uid in self.server.messages if first <= uid <= end)])]

    def do_fetch(self, rest: str) -> list[str]:
        messages, _, items = rest.partition(" ")
        uids = list(self.server.messages)
        if items == "(UID)":
            return [f"* {messages} FETCH (UID {uids[int(messages) - 1]})"]
        if "BODY" not in items:
            told = 'RFC822.SIZE {} INTERNALDATE "01-Feb-2026 10:00:00 +0100" FLAGS (\\Seen)'
            there = [uid for uid in map(int, messages.split(",")) if uid in uids]
            sizes = {uid: len(self.server.messages[uid]) for uid in there}
            return [f"* {uids.index(uid) + 1} FETCH (UID {uid} {told.format(sizes[uid])})" for uid in there]
        found = re.search(r"BODY.PEEK\[(\w*)\]<(\d+)\.(\d+)>", items)
        assert found is not None
        section, start, size = found[1], int(found[2]), int(found[3])
        parts = {
            uid: self._part(uid, section)[start : None if uid in self.server.longer else start + size]
            for uid in map(int, messages.split(","))
            if uid in uids
        }
        name = f"BODY[{section}]<{start}>"
        return [
            f"* {uids.index(uid) + 1} FETCH (UID {uid} {name} {{{len(part)}}}\r\n{part})" for uid, part in parts.items()
        ]

    def _part(self, uid: int, section: str) -> str:
        message = self.server.messages[uid].decode()
        if uid in self.server.longer and not section:
            return message * 2
        return message.partition("\r\n\r\n")[0] + "\r\n\r\n" if section == "HEADER" else message

    def do_idle(self, rest: str) -> list[str]:
        self.play("waiting", "+ idling")
        self.line()
        self.play("done", b"")
        return []

    def do_status(self, rest: str) -> list[str]:
        return [
            f"* STATUS INBOX (MESSAGES {len(self.server.messages)} UIDNEXT {max(self.server.messages, default=0) + 1})"
        ]

    def do_list(self, rest: str) -> list[str]:
        return ['* LIST (\\HasNoChildren) "/" INBOX']

    def do_expunge(self, rest: str) -> list[str]:
        for uid in map(int, rest.split(",")):
            self.server.messages.pop(uid, None)
        return []

    def do_move(self, rest: str) -> list[str]:
        return self.do_expunge(rest.partition(" ")[0])

    def do_logout(self, rest: str) -> list[str]:
        return ["* BYE"]


class FaultyImap(FaultyMailbox):
    """As ``FaultyMailbox``.

    Args:
        messages: by their UIDs. EXPUNGE and MOVE remove what they name.
        offers: the answer to CAPABILITY, besides STARTTLS.
        longer: the UIDs of messages that come with more bytes than was asked for.
    """

    conversation = _Conversation

    def __init__(
        self,
        script: Script | None = None,
        *,
        messages: Mapping[int, bytes] | None = None,
        offers: Sequence[str] = OFFERS,
        longer: Sequence[int] = (),
        **given: Any,
    ) -> None:
        super().__init__(script, messages=messages or {}, offers=offers, **given)
        self.longer = longer
