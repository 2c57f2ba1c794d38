"""Reads a POP3 mailbox: every message that is not remembered becomes an arrival; what is remembered is not read again.

A message is remembered by its unique-id (RFC 1939 section 7). A server may give equal messages equal ids, and a server
without UIDL gives none; so ids are counted, and without them a digest of the header and the size stands for the message.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mailsvc.inbound.intake import Intake
from mailsvc.inbox.cursor import forget_uids, read_cursor, read_uids, start_with_uids
from mailsvc.inbox.keep import NO_UIDL, FetchedMail
from mailsvc.mailaccess.errors import CommandRefused, NotSupported, ProtocolViolation, ResponseTooLarge, Stage
from mailsvc.pop3.session import Session

__all__ = ["Pop3Reader"]

HEADER_LIMIT = 256 * 1024
SMALL = 256 * 1024  # bytes: such mails are asked for one right after another
GROUP_BYTES, GROUP_MAILS = 1024 * 1024, 100
ENOUGH_TRIES = 2  # that failed


class Pop3Reader:
    """Lives as long as the lease, through many sessions."""

    def __init__(self, intake: Intake) -> None:
        self._intake, self._mailbox = intake, intake.mailbox
        self._tries: Counter[str] = Counter()  # by id: sessions that ended over this mail
        self._group: list[FetchedMail] = []
        self._group_size = 0  # bytes

    def look(self, session: Session) -> dict[int, str]:
        """Read all that is new. Returns the id of each message.

        Raises:
            LeaseLost, NoRoom, the errors of a session.
        """
        self._group, self._group_size = [], 0
        sizes = session.sizes()
        ids = self._ids(session, sizes)
        new = self._new(ids)
        large = [number for number in new if sizes[number] > SMALL or self._tries[ids[number]]]
        self._read_together(session, [number for number in new if number not in set(large)], ids, sizes)
        for number in large:
            self._read_alone(session, number, ids[number], sizes[number])
        self._store()
        self._forget(session, ids)
        self._tries.clear()
        return ids

    # What is there

    def _ids(self, session: Session, sizes: Mapping[int, int]) -> dict[int, str]:
        try:
            ids = session.uids()
        except NotSupported:
            return {number: NO_UIDL + self._digest(session, number, size) for number, size in sizes.items()}
        if ids.keys() != sizes.keys():
            raise ProtocolViolation(Stage.LIST, "UIDL and LIST name different messages")
        return ids

    def _digest(self, session: Session, number: int, size: int) -> str:
        """What a message is remembered by without UIDL."""
        header = bytearray()
        try:
            session.top(number, 0, header.extend, limit=HEADER_LIMIT)
        except NotSupported:
            session.retrieve(number, header.extend, limit=self._limit)
        return hashlib.sha256(f"{size}:".encode() + header).hexdigest()

    def _new(self, ids: Mapping[int, str]) -> list[int]:
        """The messages that are not remembered; of equal ids, the first ones are taken for the remembered."""
        cursor = read_cursor(self._intake.database, self._mailbox.id)
        if not cursor.is_started:
            seen: Mapping[str, int] = {} if self._mailbox.reads_all else Counter(ids.values())
            start_with_uids(self._intake.database, self._intake.lease, seen)
        known = Counter(read_uids(self._intake.database, self._mailbox.id))
        new = []
        for number, id_ in sorted(ids.items()):
            if known[id_] > 0:
                known[id_] -= 1
            else:
                new.append(number)
        return new

    def _forget(self, session: Session, ids: Mapping[int, str]) -> None:
        """Forget what is gone, if the list was complete."""
        if len(ids) != session.stat()[0]:
            return
        there = Counter(ids.values())
        remembered = read_uids(self._intake.database, self._mailbox.id)
        gone = {id_: there[id_] for id_, copies in remembered.items() if copies > there[id_]}
        if gone:
            forget_uids(self._intake.database, self._intake.lease, gone)

    # Reading

    def _read_together(
        self, session: Session, numbers: Sequence[int], ids: Mapping[int, str], sizes: Mapping[int, int]
    ) -> None:
        self._intake.check_room()
        waiting = deque(numbers)
        with self._counting_tries(ids, waiting):
            for number, content in session.retrieve_each(numbers, limit=self._limit):
                waiting.popleft()
                if content is not None:  # otherwise somebody else removed it
                    self._add(FetchedMail(ids[number], content, sizes[number], memory=ids[number]))

    def _read_alone(self, session: Session, number: int, id_: str, size: int) -> None:
        self._intake.check_room()
        if size > self._limit or self._tries[id_] >= ENOUGH_TRIES:
            self._read_header(session, number, id_, size)
            return
        content = bytearray()
        with self._intake.memory.of(size), self._counting_tries({number: id_}, deque([number])):
            try:
                session.retrieve(number, content.extend, limit=self._limit)
            except CommandRefused:
                return
            self._add(FetchedMail(id_, bytes(content), size, memory=id_))

    @contextmanager
    def _counting_tries(self, ids: Mapping[int, str], waiting: Sequence[int]) -> Iterator[None]:
        """The first of the waiting messages is to blame for an error of the server."""
        try:
            yield
        except (ResponseTooLarge, ProtocolViolation):
            if waiting:
                self._tries[ids[waiting[0]]] += 1
            raise

    def _read_header(self, session: Session, number: int, id_: str, size: int) -> None:
        header, error = bytearray(), None
        if size <= self._intake.settings.max_inbound_bytes:
            error = "The server could not give the mail, only its header."
        try:
            session.top(number, 0, header.extend, limit=HEADER_LIMIT)
        except NotSupported:
            error = "The mail is larger than MAILSVC_MAX_INBOUND_BYTES, and the server gives no headers alone (TOP)."
        self._add(FetchedMail(id_, bytes(header), size, truncated=True, error=error, memory=id_))

    @property
    def _limit(self) -> int:
        """Bytes of one message; what the server says of its size may be wrong."""
        return self._intake.settings.max_inbound_bytes

    def _add(self, mail: FetchedMail) -> None:
        self._group.append(mail)
        self._group_size += len(mail.content)
        if len(self._group) >= GROUP_MAILS or self._group_size >= GROUP_BYTES:
            self._store()

    def _store(self) -> None:
        if self._group:
            self._intake.take(self._group)
            self._group, self._group_size = [], 0
