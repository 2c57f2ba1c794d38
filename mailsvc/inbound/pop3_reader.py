"""Reads a POP3 mailbox: every message that is not remembered becomes an arrival; what is remembered is not read again.

A message is remembered by its unique-id (RFC 1939 section 7). A server may give equal messages equal ids, and a server
without UIDL gives none; so ids are counted, and without them a digest of the header and the size stands for the message.
"""

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from mailsvc.inbound.intake import GROUP_BYTES, GROUP_MAILS, HEADER_LIMIT, SMALL, Intake
from mailsvc.inbound.trouble import ENOUGH_BLAME, blame_of
from mailsvc.inbox.cursor import forget_uids, read_cursor, read_uids, start_with_uids
from mailsvc.inbox.keep import NO_UIDL, FetchedMail
from mailsvc.mailaccess.errors import CommandRefused, MailAccessError, NotSupported, ProtocolViolation, Stage
from mailsvc.pop3.session import Session

__all__ = ["Pop3Reader"]

LONGEST = 1024**3  # bytes of a message of which not all is kept


class Pop3Reader:
    """Lives as long as the lease, through many sessions."""

    def __init__(self, intake: Intake) -> None:
        self._intake, self._mailbox = intake, intake.mailbox
        self._blame: defaultdict[str, float] = defaultdict(float)  # by id: of mails that the server failed to give
        self._group: list[FetchedMail] = []
        self._group_size = 0  # bytes
        self._refused: set[str] = set()  # ids that the server refused to give in this look

    def look(self, session: Session) -> dict[int, str]:
        """Read all that is new. Returns the id of each message.

        Raises:
            LeaseLost, NoRoom, the errors of a session.
        """
        self._group, self._group_size, self._refused = [], 0, set()
        sizes = session.sizes()
        ids = self._ids(session, sizes)
        new = self._new(ids)
        large = [number for number in new if sizes[number] > SMALL or self._blame[ids[number]]]
        self._read_together(session, [number for number in new if number not in set(large)], ids, sizes)
        for number in large:
            self._read_alone(session, number, ids[number], sizes[number])
        self._store()
        self._intake.finish()
        self._forget(session, ids)
        self._blame = defaultdict(float, {id_: blame for id_, blame in self._blame.items() if id_ in self._refused})
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
        """What a message is remembered by without UIDL: its header and size, or without TOP its content."""
        self._intake.progress.mark()
        digest = hashlib.sha256(f"{size}:".encode())
        try:
            digest.update(_header(session, number))
        except NotSupported:
            if size <= self._limit:  # a larger one is not read at all: its size has to do
                session.retrieve(number, digest.update, limit=LONGEST)
        return digest.hexdigest()

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
        with self._blaming(ids, waiting):
            for number, content in session.retrieve_each(numbers, limit=self._limit):
                waiting.popleft()
                if content is None:
                    self._note_refusal(ids[number])
                else:
                    self._add(FetchedMail(ids[number], content, sizes[number], memory=ids[number]))

    def _read_alone(self, session: Session, number: int, id_: str, size: int) -> None:
        self._intake.check_room()
        if size > self._limit or self._blame[id_] >= ENOUGH_BLAME:
            self._read_header(session, number, id_, size)
            return
        with self._intake.spool() as spool, ExitStack() as memory:
            with self._blaming({number: id_}, deque([number])):
                try:
                    session.retrieve(number, spool.write, limit=self._limit)
                except CommandRefused:
                    self._note_refusal(id_)
                    return
            self._add(FetchedMail(id_, self._intake.content_of(spool, memory), size, memory=id_))
            self._store()

    @contextmanager
    def _blaming(self, ids: Mapping[int, str], waiting: Sequence[int]) -> Iterator[None]:
        """The first of the waiting messages is to blame for an error of the server."""
        try:
            yield
        except MailAccessError as error:
            if waiting:
                self._blame[ids[waiting[0]]] += blame_of(error)
            self._store()
            raise

    def _note_refusal(self, id_: str) -> None:
        """Somebody else removed the message, or the server can't give it and will refuse it again."""
        self._blame[id_] += 1
        self._refused.add(id_)

    def _read_header(self, session: Session, number: int, id_: str, size: int) -> None:
        header, error = b"", None
        if size <= self._intake.settings.max_inbound_bytes:
            error = "The server could not give the mail, only its header."
        try:
            header = _header(session, number)
        except NotSupported:
            error = "The mail is larger than MAILSVC_MAX_INBOUND_BYTES, and the server gives no headers alone (TOP)."
        except CommandRefused as refusal:
            error = f"The server could not give the mail, nor its header ({refusal})."
        self._add(FetchedMail(id_, header, size, truncated=True, error=error, memory=id_))

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


def _header(session: Session, number: int) -> bytes:
    """The beginning of a message's header. Raises CommandRefused; NotSupported where the server has no TOP."""
    header = bytearray()
    session.top(number, 0, lambda data: header.extend(data[: max(0, HEADER_LIMIT - len(header))]), limit=LONGEST)
    return bytes(header)
