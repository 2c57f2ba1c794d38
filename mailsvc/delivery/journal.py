"""The send journal: what a worker did since its last commit, so that a kill repeats only messages at the final dot.

An append-only file per worker, a line before each final dot ("about") and one at its reply ("got"). The page cache keeps
it through the death of the process; after a power loss the boot id differs, and every claim of that worker is uncertain.
Lines are put there through a mapping, which spares a system call for each; so the files end in unused zeros. A file's
lock says whether its worker lives.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mailsvc.domain.attempt import Reply
from mailsvc.forking import Descriptor, close_in_child

__all__ = ["Entry", "Journal", "OrphanedJournal", "orphaned_journals", "replies_of_others"]

SEGMENT_BYTES = 4 * 1024 * 1024
STEP_BYTES = 256 * 1024  # growth of a file

Claims = list[tuple[str, int]]  # delivery ids with their lease tokens


class _Line(msgspec.Struct, array_like=True):
    """One line: the transaction's number, its claims at "about", its reply at "got"."""

    number: int
    claims: Claims = []
    code: int = 0
    enhanced_code: str | None = None
    text: str = ""
    relay_id: str = ""
    host: str = ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


class _Segment:
    """One file of the journal; removed when all of its transactions are recorded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Locked before it is visible under its name, so that it is never taken for the file of a dead worker.
        unseen = path.with_suffix(".new")
        self._descriptor = Descriptor(os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self.size = 0
        self.unsettled = 0  # transactions
        try:
            self._allocate(STEP_BYTES)
            self._pages = close_in_child(mmap.mmap(self._descriptor.fileno(), STEP_BYTES))
            self.write((_boot_id() + "\n").encode())
            unseen.rename(path)
        except OSError:
            unseen.unlink()
            self._descriptor.close()
            raise

    def write(self, line: bytes) -> None:
        end = self.size + len(line)
        if end > len(self._pages):
            self._allocate(end + STEP_BYTES)
            self._pages.resize(end + STEP_BYTES)
        self._pages[self.size : end] = line
        self.size = end

    def _allocate(self, size: int) -> None:
        # In advance, so that a full disk raises an error here: touching a page without disk space would kill the
        # process.
        try:
            os.posix_fallocate(self._descriptor.fileno(), 0, size)
        except OSError as error:
            raise OSError(error.errno, "no room for the journal", str(self.path)) from error

    def close(self) -> None:
        self._pages.close()
        self._descriptor.close()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.close()


class Journal:
    """One worker's journal. Call it only from the worker's event loop."""

    def __init__(self, directory: Path, owner: str) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory, self._owner = directory, owner
        self._number = 0
        self._segments: list[_Segment] = []
        self._where: dict[int, _Segment] = {}
        self._segments.append(self._new_segment())

    def about(self, claims: Claims, relay_id: str, host: str) -> int:
        """Record that the final dot of these deliveries is sent next. Returns the transaction's number."""
        self._number += 1
        segment = self._segments[-1]
        if segment.size > SEGMENT_BYTES:
            segment = self._new_segment()
            self._segments.append(segment)
        segment.write(_encoder.encode(_Line(self._number, claims, relay_id=relay_id, host=host)) + b"\n")
        segment.unsettled += 1
        self._where[self._number] = segment
        return self._number

    def got(self, number: int, reply: Reply) -> None:
        """Record the reply to the final dot."""
        line = _Line(number, [], reply.code, reply.enhanced_code, reply.text)
        self._where[number].write(_encoder.encode(line) + b"\n")

    def settled(self, number: int) -> None:
        """The outcome is in the database: the transaction can be forgotten."""
        segment = self._where.pop(number)
        segment.unsettled -= 1
        if not segment.unsettled and segment is not self._segments[-1]:
            self._segments.remove(segment)
            segment.remove()

    def close(self) -> None:
        """Remove files without unsettled transactions; the next start reads the others."""
        for segment in self._segments:
            if segment.unsettled:
                segment.close()
            else:
                segment.remove()
        self._segments.clear()

    def _new_segment(self) -> _Segment:
        return _Segment(self._directory / f"{self._owner}.{self._number}.journal")


@dataclass(slots=True)
class Entry:
    """One transaction of a dead worker: its claims, and the reply if one came."""

    claims: Claims
    relay_id: str
    host: str
    reply: Reply | None = None


@dataclass(slots=True)
class OrphanedJournal:
    """The journal of a dead worker."""

    owner: str
    power_was_lost: bool
    entries: list[Entry] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    def discard(self) -> None:
        """Remove the files: everything in them is recorded."""
        for path in self.paths:
            path.unlink(missing_ok=True)


def orphaned_journals(directory: Path) -> list[OrphanedJournal]:
    """Read the journals of dead workers: those whose files nobody has locked."""
    found: dict[str, OrphanedJournal] = {}
    for path in sorted(directory.glob("*.journal")):
        content = _read_if_orphaned(path)
        if content is None:
            continue
        owner = path.name.split(".")[0]
        boot_id, *lines = content.split(b"\n")
        orphaned_journal = found.setdefault(
            owner, OrphanedJournal(owner, power_was_lost=boot_id.decode() != _boot_id())
        )
        orphaned_journal.paths.append(path)
        orphaned_journal.entries.extend(_entries(lines))
    return list(found.values())


def replies_of_others(directory: Path, owner: str) -> dict[tuple[str, int], Entry]:
    """Transactions of other workers on this host, dead or alive, that got a reply; by delivery and lease token.

    A worker that stood still may not have recorded them before its leases ran out.
    """
    heard: dict[tuple[str, int], Entry] = {}
    for path in directory.glob("*.journal"):
        if path.name.split(".")[0] == owner:
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # all of it is recorded already
        answered = (entry for entry in _entries(content.split(b"\n")[1:]) if entry.reply is not None)
        heard.update((claim, entry) for entry in answered for claim in map(_as_key, entry.claims))
    return heard


def _as_key(claim: tuple[str, int]) -> tuple[str, int]:
    return claim[0], claim[1]


def _read_if_orphaned(path: Path) -> bytes | None:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return file.read()


def _entries(lines: list[bytes]) -> Iterator[Entry]:
    entries: dict[int, Entry] = {}
    for raw in lines:
        try:
            line = _decoder.decode(raw)
        except msgspec.DecodeError:
            continue  # torn by a kill, or the unused end
        if line.claims:
            entries[line.number] = Entry(line.claims, line.relay_id, line.host)
        elif line.number in entries:
            entries[line.number].reply = Reply(line.code, line.enhanced_code, line.text)
    yield from entries.values()


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
