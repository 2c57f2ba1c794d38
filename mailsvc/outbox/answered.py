"""The arrival that a message answers: to whom, under which subject, in which conversation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import LargeBinary, func, select

from mailsvc.domain.draft import Draft
from mailsvc.domain.errors import Conflict, FieldError, Invalid
from mailsvc.mime.arrived import ArrivedMail, read_mail
from mailsvc.mime.threads import references_of_answer
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body
from mailsvc.understand.automatic import submission_of

__all__ = ["Answered", "read_answered"]

MOST_HEADER = 65_536  # bytes that are searched in the answered mail
_MACHINES = frozenset({"bounce", "delay", "receipt", "complaint", "auto_reply", "unparsed"})


@dataclass(frozen=True, slots=True)
class Answered:
    """An arrival, as its answer needs it."""

    kind: str
    mail: ArrivedMail
    references: tuple[str, ...]

    def complete(self, draft: Draft) -> Draft:
        """Return the draft with the recipient and the subject that it leaves out.

        Raises:
            Conflict: the arrival is from a machine (RFC 3834 section 2: such mail must not be answered).
            Invalid: it names nobody to answer to.
        """
        if self._is_automatic and not draft.force:
            detail = 'the arrival was sent by a machine, which must not be answered; send "force": true to answer it all the same'
            raise Conflict(detail)
        to: str | Sequence[str] = draft.to
        if not (draft.to or draft.cc or draft.bcc):
            to = self.mail.reply_to or ((self.mail.from_,) if self.mail.from_ and "@" in self.mail.from_ else ())
            if not to:
                raise Invalid(FieldError("to", "is required: the arrival names nobody to answer to"))
        subject = _subject(self.mail.subject) if draft.subject is None else draft.subject
        return msgspec.structs.replace(draft, to=tuple(to) if not isinstance(to, str) else to, subject=subject)

    @property
    def _is_automatic(self) -> bool:
        said = [value for name, value in self.mail.headers if name.lower() == "auto-submitted"]
        return self.kind in _MACHINES or any(map(submission_of, said))


def read_answered(database: Database, app_id: str, id_: str) -> Answered:
    """Return the app's arrival. Raises Invalid: there is none."""
    beginning = func.substr(arrival_body.c.content, 1, MOST_HEADER, type_=LargeBinary)
    wanted = (
        select(arrival.c.kind, beginning.label("content"))
        .outerjoin(arrival_body, arrival_body.c.arrival_id == arrival.c.id)
        .where(arrival.c.id == id_, arrival.c.app_id == app_id, arrival.c.kind.is_not(None))
    )
    with database.read() as connection:
        found = connection.execute(wanted).first()
    if found is None:
        raise Invalid(FieldError("in_reply_to", "no such arrival; GET /v1/inbound lists them"))
    return _answered(found)


def _answered(row: Any) -> Answered:
    content = (row.content or b"").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    mail = read_mail(content)
    is_usable = mail.message_id is not None and mail.message_id.startswith("<")
    references = references_of_answer(content, mail.message_id) if is_usable and mail.message_id else ()
    return Answered(row.kind, mail, references)


def _subject(of_arrival: str | None) -> str:
    """RFC 5322 section 3.6.5."""
    said = " ".join((of_arrival or "").split())
    return said if said.lower().startswith("re:") else f"Re: {said}".rstrip()
