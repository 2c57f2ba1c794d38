"""Reads an IMAP folder: every message behind the cursor becomes an arrival, in the order of the UIDs."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime

from mailsvc import clock
from mailsvc.imap.folders import Folder
from mailsvc.imap.listing import Listed
from mailsvc.imap.session import Session
from mailsvc.inbound.intake import GROUP_BYTES, GROUP_MAILS, HEADER_LIMIT, SMALL, Intake
from mailsvc.inbound.trouble import ENOUGH_BLAME, blame_of
from mailsvc.inbox.cursor import Cursor, end_rescan, read_cursor, start_at, start_rescan
from mailsvc.inbox.keep import FetchedMail
from mailsvc.inbox.tasks import open_tasks
from mailsvc.mailaccess.errors import MailAccessError, MessageGone, ProtocolViolation, Stage

__all__ = ["FolderReader"]

LISTED_AT_ONCE = 500
NEWEST = 200  # UIDs whose dates tell what was there before the first look


class FolderReader:
    """Lives as long as the lease, through many sessions."""

    def __init__(self, intake: Intake) -> None:
        self._intake, self._mailbox = intake, intake.mailbox
        self._cursor = Cursor()
        self._stored_uid = 0
        self._blame: dict[int, float] = {}  # by UID: of mails over which sessions ended
        self._is_careful = False  # one mail at a time, to find the one that ends the session

    def begin(self, session: Session) -> Folder:
        """Open the folder and find where to go on. Raises LeaseLost and the errors of the session."""
        folder = self._open(session)
        cursor = read_cursor(self._intake.database, self._mailbox.id)
        if not cursor.is_started:
            self._start(session, folder)
        elif cursor.uidvalidity != folder.uidvalidity or _is_behind(folder, cursor):
            up_to = folder.uidnext - 1 if folder.uidnext is not None else 2**32
            start_rescan(self._intake.database, self._intake.lease, uidvalidity=folder.uidvalidity, up_to=up_to)
        self._cursor = read_cursor(self._intake.database, self._mailbox.id)
        self._stored_uid = self._cursor.last_uid
        return folder

    def _open(self, session: Session) -> Folder:
        # ``after`` was another one when the mails arrived to which something is still to be done.
        changes = self._mailbox.after != "keep" or open_tasks(self._intake.database, self._mailbox.id)
        return (session.select if changes else session.examine)(self._mailbox.folder)

    def look(self, session: Session) -> bool:
        """Read all that is new; returns whether there was any. Raises LeaseLost, NoRoom and the errors of the session."""
        before = self._cursor.last_uid
        while uids := session.uids_after(self._cursor.last_uid):
            for start in range(0, len(uids), LISTED_AT_ONCE):
                self._read(session, uids[start : start + LISTED_AT_ONCE])
        self._intake.finish()
        if self._cursor.rescan_to is not None:
            self._end_rescan()
        self._blame.clear()
        self._is_careful = False
        return self._cursor.last_uid > before

    # The beginning

    def _start(self, session: Session, folder: Folder) -> None:
        last_uid, skipped_before = 0, None
        if not self._mailbox.reads_all:
            last_uid, skipped_before = _newest(session, folder)
        start_at(
            self._intake.database,
            self._intake.lease,
            uidvalidity=folder.uidvalidity,
            last_uid=last_uid,
            skipped_before=skipped_before,
        )

    def _end_rescan(self) -> None:
        end_rescan(self._intake.database, self._intake.lease, uidvalidity=self._cursor.uidvalidity or 0)
        self._cursor = replace(self._cursor, rescan_to=None)

    # Reading

    def _read(self, session: Session, uids: Sequence[int]) -> None:
        self._intake.check_room()
        listed = self._listed(session, uids)
        wanted = [(uid, listed[uid]) for uid in uids if uid in listed and self._is_wanted(uid, listed[uid])]
        for group in self._groups(wanted):
            with ExitStack() as memory:
                self._store(self._fetched(session, group, memory), group[-1][0])
        self._store([], uids[-1])

    def _listed(self, session: Session, uids: Sequence[int]) -> dict[int, Listed]:
        """What there is under these UIDs. The server is asked twice for those that it leaves out the first time."""
        dates = self._cursor.rescan_to is not None
        listed = session.sizes(uids, dates=dates)
        if missing := [uid for uid in uids if uid not in listed]:
            session.noop()  # the mails that others expunged are listed until the server has told us
            listed |= session.sizes(missing, dates=dates)
        return listed

    def _is_wanted(self, uid: int, mail: Listed) -> bool:
        if "\\draft" in mail.flags:
            return False
        skipped, rescanned = self._cursor.skipped_before, self._may_be_known(uid)
        # Under its former UID it was not read either.
        return not (rescanned and skipped is not None and mail.received_at and _instant(mail.received_at) <= skipped)

    def _may_be_known(self, uid: int) -> bool:
        return self._cursor.rescan_to is not None and uid <= self._cursor.rescan_to

    def _groups(self, mails: Sequence[tuple[int, Listed]]) -> Iterator[Sequence[tuple[int, Listed]]]:
        """Small mails together, large ones alone."""
        group: list[tuple[int, Listed]] = []
        size = 0
        for uid, mail in mails:
            is_alone = mail.size > SMALL or self._is_careful
            if group and (is_alone or len(group) >= GROUP_MAILS or size + mail.size > GROUP_BYTES):
                yield group
                group, size = [], 0
            group.append((uid, mail))
            size += mail.size
            if is_alone:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _fetched(self, session: Session, group: Sequence[tuple[int, Listed]], memory: ExitStack) -> list[FetchedMail]:
        """Return the mails of a group that are still there; ``memory`` holds the room for them."""
        uid, mail = group[0]
        is_last_try, header = self._blame.get(uid, 0.0) >= ENOUGH_BLAME, bytearray()
        try:
            if is_last_try:
                with suppress(MessageGone):
                    session.fetch_header(uid, header.extend, limit=HEADER_LIMIT)
            if len(group) == 1:
                found = self._fetched_alone(session, uid, mail, memory)
            else:
                found = self._fetched_small(session, group)
            _require_gone(session, [uid for uid, _ in group if uid not in found])
        except MailAccessError as error:
            if is_last_try and blame_of(error):
                self._store_header(uid, mail, bytes(header), error)
            self._add_blame(group, error)
            raise
        return list(found.values())

    def _fetched_small(self, session: Session, group: Sequence[tuple[int, Listed]]) -> dict[int, FetchedMail]:
        contents = session.fetch_small({uid: mail.size for uid, mail in group})
        return {uid: self._mail(uid, contents[uid], mail.size) for uid, mail in group if uid in contents}

    def _fetched_alone(self, session: Session, uid: int, mail: Listed, memory: ExitStack) -> dict[int, FetchedMail]:
        is_large = mail.size > self._intake.settings.max_inbound_bytes
        with self._intake.spool() as spool, suppress(MessageGone):
            if is_large:
                session.fetch_header(uid, spool.write, limit=HEADER_LIMIT)
            else:
                session.fetch(uid, mail.size, spool.write)
            content = self._intake.content_of(spool, memory)
            return {uid: self._mail(uid, content, mail.size, truncated=is_large)}
        return {}

    # Mails that the server can't give

    def _add_blame(self, group: Sequence[tuple[int, Listed]], error: MailAccessError) -> None:
        if blame := blame_of(error):
            self._is_careful = True
            for uid, _ in group:
                self._blame[uid] = self._blame.get(uid, 0.0) + blame

    def _store_header(self, uid: int, mail: Listed, header: bytes, error: MailAccessError) -> None:
        """Store what there is of a mail that ended sessions again and again, so that those behind it are read."""
        flaw = f"The server could not give the mail, only its header ({error})."
        self._store([self._mail(uid, header, mail.size, truncated=True, error=flaw)], uid)

    def _mail(
        self, uid: int, content: bytes, size: int, *, truncated: bool = False, error: str | None = None
    ) -> FetchedMail:
        shown = f"{self._cursor.uidvalidity}:{uid}"
        return FetchedMail(shown, content, size, truncated=truncated, error=error, may_be_known=self._may_be_known(uid))

    def _store(self, mails: list[FetchedMail], last_uid: int) -> None:
        """Store the mails, and that all up to this UID were read."""
        if mails or last_uid > self._stored_uid:
            self._intake.take(mails, last_uid=last_uid)
            self._stored_uid = last_uid
        self._cursor = replace(self._cursor, last_uid=last_uid)


def _is_behind(folder: Folder, cursor: Cursor) -> bool:
    """Whether the server would give a UID again that was read already: then it means another mail."""
    return folder.uidnext is not None and folder.uidnext <= cursor.last_uid


def _require_gone(session: Session, uids: Sequence[int]) -> None:
    """Raises ProtocolViolation for mails that the server still lists, but does not give: they must not be passed over."""
    if not uids:
        return
    session.noop()  # what others expunged is listed until the server has told us
    if still := session.sizes(uids):
        raise ProtocolViolation(Stage.FETCH, f"the server lists message {min(still)}, but does not give it")


def _newest(session: Session, folder: Folder) -> tuple[int, int | None]:
    """The last UID of the folder, and the newest date of what is there."""
    last_uid = folder.uidnext - 1 if folder.uidnext is not None else _last_uid(session)
    uids = [uid for uid in session.uids_after(max(0, last_uid - NEWEST)) if uid <= last_uid]
    newest = session.sizes(uids, dates=True)
    dates = [_instant(mail.received_at) for mail in newest.values() if mail.received_at is not None]
    return last_uid, max(dates, default=None)


def _last_uid(session: Session) -> int:
    last_uid = 0
    while uids := session.uids_after(last_uid):
        last_uid = uids[-1]
    return last_uid


def _instant(date: datetime) -> int:
    return round(date.timestamp() * clock.SECOND)
