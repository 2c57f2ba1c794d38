"""The folder as one session sees it: numbers, and what the client was told of them (RFC 3501 sections 2.3.1.2, 7.4)."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from mailsvc.imap.server.folder import Folder
from mailsvc.imap.server.refused import Refused

__all__ = ["SelectedFolder"]

_SET = re.compile(rb"(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?")


class SelectedFolder:
    """The mails that the client knows of.

    Attributes:
        uids: of these mails, ascending; the number of a mail is its place in this list, from 1.
    """

    def __init__(self, folder: Folder, *, readonly: bool) -> None:
        self.folder, self.readonly = folder, readonly
        self.uids = list(folder.uids())
        self._changes = folder.changes
        self._flags: dict[int, frozenset[str]] = {}
        self._flags |= {uid: self._flags_of(uid) for uid in self.uids}

    def number_of(self, uid: int) -> int:
        return bisect_left(self.uids, uid) + 1

    def find(self, wanted: bytes, *, by_uid: bool) -> Sequence[int]:
        """Return the UIDs of a set of numbers or UIDs, ascending. Raises Refused."""
        found: set[int] = set()
        for part in wanted.split(b","):
            if not _SET.fullmatch(part):
                raise Refused("not a set of messages")
            if b"*" in part and not self.uids:
                continue
            first, _, last = part.partition(b":")
            low, high = sorted((self._bound(first, by_uid=by_uid), self._bound(last or first, by_uid=by_uid)))
            found.update(self._between(low, high, by_uid=by_uid))
        return sorted(found)

    def note_flags(self, uid: int) -> frozenset[str]:
        """Return the flags of a mail, which the client is told now."""
        flags = self._flags[uid] = self._flags_of(uid)
        return flags

    def news(self, *, with_expunged: bool = True) -> Iterator[bytes]:
        """Yield what the client does not know yet.

        Args:
            with_expunged: also which mails are gone, after which other numbers mean the mails behind them.
        """
        if self._changes != self.folder.changes:
            if with_expunged:
                yield from self._expunged(set(self.folder.uids()))
                self._changes = self.folder.changes
            yield from self._changed_flags()
        yield from self._appended()

    def _appended(self) -> Iterator[bytes]:
        there = self.folder.uids()
        new = there[bisect_right(there, self.uids[-1]) if self.uids else 0 :]
        if new:
            self.uids += new
            self._flags |= {uid: self._flags_of(uid) for uid in new}
            yield b"* %d EXISTS\r\n" % len(self.uids)

    def _expunged(self, there: set[int]) -> Iterator[bytes]:
        for index in range(len(self.uids) - 1, -1, -1):
            if self.uids[index] not in there:
                del self._flags[self.uids[index]]
                del self.uids[index]
                yield b"* %d EXPUNGE\r\n" % (index + 1)

    def _changed_flags(self) -> Iterator[bytes]:
        for number, uid in enumerate(self.uids, 1):
            if self._flags[uid] != self._flags_of(uid):
                flags = " ".join(sorted(self.note_flags(uid))).encode()
                yield b"* %d FETCH (UID %d FLAGS (%b))\r\n" % (number, uid, flags)

    def _flags_of(self, uid: int) -> frozenset[str]:
        mail = self.folder.get(uid)
        return mail.flags if mail is not None else self._flags.get(uid, frozenset())

    def _bound(self, text: bytes, *, by_uid: bool) -> int:
        if text == b"*":
            return self.uids[-1] if by_uid else len(self.uids)
        return int(text)

    def _between(self, low: int, high: int, *, by_uid: bool) -> Sequence[int]:
        if by_uid:
            return self.uids[bisect_left(self.uids, low) : bisect_left(self.uids, high + 1)]
        if high > len(self.uids):
            raise Refused("there is no message with this number")
        return self.uids[max(0, low - 1) : high]
