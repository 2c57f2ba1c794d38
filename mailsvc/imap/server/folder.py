"""What the server needs of the folder that it shows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["FLAGS", "Folder", "FolderFull", "StoredMail"]

FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")  # RFC 3501 section 2.3.2; there are no keywords


class FolderFull(Exception):
    """There is no room for another mail."""


@dataclass(frozen=True, slots=True)
class StoredMail:
    """What is known of a mail without reading it."""

    uid: int
    size: int  # bytes
    received_at: int  # seconds since the epoch
    flags: frozenset[str] = frozenset()  # of ``FLAGS``


class Folder(Protocol):
    """Mails by UID. Used in one thread.

    Attributes:
        uidvalidity: changes when UIDs are given anew.
        uidnext: the UID of the next mail.
        changes: how often flags were changed or mails expunged; new mails raise only ``uidnext``.
        listeners: called after every change.
    """

    uidvalidity: int
    uidnext: int
    changes: int
    listeners: set[Callable[[], None]]

    def uids(self) -> Sequence[int]:
        """Ascending; not to be changed."""

    def get(self, uid: int) -> StoredMail | None:
        """Return what is known of the mail, if it is there."""

    def read(self, uid: int) -> bytes | None:
        """Return the mail, if it is there."""

    def append(self, content: bytes, *, flags: Iterable[str] = (), received_at: int | None = None) -> int:
        """Store a mail. Returns its UID. Raises FolderFull, OSError."""

    def set_flags(self, uid: int, flags: Iterable[str]) -> None:
        """Replace the flags of the mail, if it is there. Raises OSError."""

    def expunge(self, uids: Iterable[int]) -> None:
        """Delete these mails. Raises OSError."""
