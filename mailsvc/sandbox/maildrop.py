"""The mails of the sandbox's mailbox: a file each, in a directory of their own, so that they outlast the process.

A file is named ``<uid>.<key>.<flags>``. It appears whole, by a rename, and is not synced: what a power failure takes, another
message to the sandbox brings again.
"""

import hashlib
import os
import re
import secrets
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mailsvc import clock
from mailsvc.imap.server import FolderFull, StoredMail

__all__ = ["MailDrop"]

MOST_MAILS = 10_000
MOST_BYTES = 100 * 1024 * 1024
_LETTERS = {"\\Answered": "R", "\\Deleted": "T", "\\Draft": "D", "\\Flagged": "F", "\\Seen": "S"}  # as in Maildir
_FLAGS = {letter: flag for flag, letter in _LETTERS.items()}
_NAME = re.compile(r"([1-9][0-9]{0,9})\.([0-9a-f]+)\.([DFRST]*)")
_STATE = "uids"  # UIDVALIDITY and the next UID


@dataclass(frozen=True, slots=True)
class _Kept:
    mail: StoredMail
    key: str
    name: str


class MailDrop:
    """A folder for ``imap.server``, kept in a directory. The oldest mails go when there are too many.

    Args:
        directory: is created where it is missing. Raises OSError.
    """

    def __init__(self, directory: Path, *, most_mails: int = MOST_MAILS, most_bytes: int = MOST_BYTES) -> None:
        self._directory, self._most_mails, self._most_bytes = directory, most_mails, most_bytes
        self.listeners: set[Callable[[], None]] = set()
        self.changes = 0
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._kept = {kept.mail.uid: kept for kept in sorted(_found(directory), key=lambda kept: kept.mail.uid)}
        self._uids = list(self._kept)
        self._keys = {kept.key for kept in self._kept.values()}
        self._bytes = sum(kept.mail.size for kept in self._kept.values())
        self.uidvalidity, noted = self._read_state()
        self.uidnext = max(noted, max(self._kept, default=0) + 1)

    # As imap.server wants it

    def uids(self) -> Sequence[int]:
        return self._uids

    def get(self, uid: int) -> StoredMail | None:
        kept = self._kept.get(uid)
        return kept.mail if kept is not None else None

    def read(self, uid: int) -> bytes | None:
        kept = self._kept.get(uid)
        with suppress(FileNotFoundError):
            return (self._directory / kept.name).read_bytes() if kept is not None else None
        return None

    def append(self, content: bytes, *, flags: Iterable[str] = (), received_at: int | None = None) -> int:
        return self._append(content, secrets.token_hex(8), frozenset(flags), received_at)

    def set_flags(self, uid: int, flags: Iterable[str]) -> None:
        kept = self._kept.get(uid)
        if kept is None or kept.mail.flags == frozenset(flags):
            return
        mail = replace(kept.mail, flags=frozenset(flags))
        changed = _Kept(mail, kept.key, _name(mail, kept.key))
        (self._directory / kept.name).rename(self._directory / changed.name)
        self._kept[uid] = changed
        self.changes += 1
        self._tell()

    def expunge(self, uids: Iterable[int]) -> None:
        for uid in [uid for uid in uids if uid in self._kept]:
            if uid == self.uidnext - 1:
                self._write_state()  # its file no longer tells that the UID was used
            self._remove(uid)
        self._tell()

    # For the sandbox

    def deliver(self, content: bytes, *, key: str) -> None:
        """Store a mail, unless one with this key is there: a message that is sent again has the same consequences once.

        Raises FolderFull, OSError.
        """
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        if digest not in self._keys:
            self._append(content, digest, frozenset(), None)

    def _append(self, content: bytes, key: str, flags: frozenset[str], received_at: int | None) -> int:
        if len(content) > self._most_bytes:
            raise FolderFull
        at = received_at if received_at is not None else clock.now() // clock.SECOND
        mail = StoredMail(self.uidnext, len(content), at, flags)
        kept = _Kept(mail, key, _name(mail, key))
        self._write(kept.name, content, at)
        self.uidnext += 1
        self._kept[mail.uid] = kept
        self._keys.add(key)
        self._bytes += mail.size
        self._uids.append(mail.uid)
        self._make_room()
        self._tell()
        return mail.uid

    def _make_room(self) -> None:
        """Remove a tenth at once: each removal renumbers the mails of every client."""
        if len(self._kept) > self._most_mails or self._bytes > self._most_bytes:
            while len(self._kept) > 1 and self._is_crowded():
                self._remove(self._uids[0])

    def _is_crowded(self) -> bool:
        return len(self._kept) > self._most_mails * 9 // 10 or self._bytes > self._most_bytes * 9 // 10

    def _write(self, name: str, content: bytes, at: int) -> None:
        path = self._directory / "new"
        try:
            path.write_bytes(content)
            os.utime(path, (at, at))
            path.rename(self._directory / name)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def _remove(self, uid: int) -> None:
        (self._directory / self._kept[uid].name).unlink(missing_ok=True)
        kept = self._kept.pop(uid)
        del self._uids[bisect_left(self._uids, uid)]
        self.changes += 1
        self._keys.discard(kept.key)
        self._bytes -= kept.mail.size

    def _tell(self) -> None:
        for listener in list(self.listeners):
            listener()

    def _read_state(self) -> tuple[int, int]:
        with suppress(OSError, ValueError):
            uidvalidity, uidnext = map(int, (self._directory / _STATE).read_text("ascii").split())
            return uidvalidity, uidnext
        self.uidvalidity, self.uidnext = clock.now() // clock.SECOND % 2**32, 1
        self._write_state()
        return self.uidvalidity, self.uidnext

    def _write_state(self) -> None:
        self._write(_STATE, f"{self.uidvalidity} {self.uidnext}".encode(), clock.now() // clock.SECOND)


def _found(directory: Path) -> Iterator[_Kept]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if named := _NAME.fullmatch(entry.name):
                status = entry.stat()
                flags = frozenset(_FLAGS[letter] for letter in named[3])
                mail = StoredMail(int(named[1]), status.st_size, int(status.st_mtime), flags)
                yield _Kept(mail, named[2], entry.name)


def _name(mail: StoredMail, key: str) -> str:
    letters = "".join(sorted(_LETTERS[flag] for flag in mail.flags))
    return f"{mail.uid}.{key}.{letters}"
