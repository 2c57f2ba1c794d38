"""A second IMAP client that works at random in a folder, and knows what the folder must hold afterwards."""

import random
import threading
from itertools import count
from typing import Any

from mailsvc.mailaccess.account import Credentials
from tests.support.imapclient import second_client
from tests.support.mailhost import MailHost

__all__ = ["FolderPlay"]


class FolderPlay:
    """Appends, flags, moves and deletes its own mails, as a person does.

    Attributes:
        folder: the mails that are in INBOX, by their subject, with the flags that were set.
        kept: the subjects of mails that were never moved or deleted, so that a reader must have found them.
    """

    def __init__(self, mailhost: MailHost, user: Credentials, chance: random.Random) -> None:
        self._client: Any = second_client(mailhost, user)
        self._client.create("Elsewhere")
        self._chance, self._numbers = chance, count(1)
        self.folder: dict[str, set[bytes]] = {}
        self.gone: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    @property
    def seen(self) -> dict[str, set[bytes]]:
        """What the folder really holds."""
        self._client.noop()
        _, answer = self._client.uid("fetch", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        parts = [part for part in answer if isinstance(part, tuple)]
        return {_subject(part): _flags(part) for part in parts}

    def _play(self) -> None:
        try:
            while not self._stop.wait(0.01):
                self._chance.choice((self._append, self._append, self._flag, self._move, self._delete))()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.error = error

    def _append(self) -> None:
        subject = f"played-{next(self._numbers)}"
        mail = f"From: person@example.test\r\nSubject: {subject}\r\n\r\nmine\r\n".encode()
        self._client.append("INBOX", None, None, mail)
        self.folder[subject] = set()

    def _flag(self) -> None:
        if uid := self._pick():
            flag = self._chance.choice((rb"\Seen", rb"\Flagged", rb"\Answered"))
            self._client.uid("store", uid[1], "+FLAGS", f"({flag.decode()})")
            self.folder[uid[0]].add(flag)

    def _move(self) -> None:
        if uid := self._pick():
            self._client.uid("move", uid[1], "Elsewhere")
            self._is_gone(uid[0])

    def _delete(self) -> None:
        if uid := self._pick():
            self._client.uid("store", uid[1], "+FLAGS", r"(\Deleted)")
            self._client.uid("expunge", uid[1])
            self._is_gone(uid[0])

    def _is_gone(self, subject: str) -> None:
        del self.folder[subject]
        self.gone.add(subject)

    def _pick(self) -> tuple[str, str] | None:
        if not self.folder:
            return None
        subject = self._chance.choice(sorted(self.folder))
        self._client.noop()
        _, answer = self._client.uid("search", "SUBJECT", f'"{subject}"')
        uids = answer[0].split()
        found = [uid.decode() for uid in uids if self._is(uid.decode(), subject)]
        return (subject, found[0]) if found else None

    def _is(self, uid: str, subject: str) -> bool:
        """SEARCH finds parts of words, too."""
        _, answer = self._client.uid("fetch", uid, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return any(_subject(part) == subject for part in answer if isinstance(part, tuple))


def _subject(part: tuple[bytes, bytes]) -> str:
    return part[1].decode().removeprefix("Subject: ").strip()


def _flags(part: tuple[bytes, bytes]) -> set[bytes]:
    return set(part[0].split(b"FLAGS (")[1].split(b")")[0].split()) - {rb"\Recent"}
