"""What came of the probe mails: read from the arrivals of the mailbox, as the service's own reader stored them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from mailsvc.inbound.accountprobe.mails import ProbeMail
from mailsvc.mime.arrived import ArrivedMail, addresses_in
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, arrival_body
from mailsvc.understand.mail import UnderstoodMail, understand
from mailsvc.understand.report import Report, ReportKind

__all__ = ["Arrived"]

_MOST_SIZE = 256 * 1024  # bytes; a probe mail or a report about one is smaller
_AT_ONCE = 200


@dataclass(slots=True)
class Arrived:
    """The probe mails and reports about them that have arrived.

    Args:
        since: arrivals stored earlier are not looked at.
        keys: that sign the Message-IDs of probe mails.
    """

    database: Database
    mailbox_id: str
    since: int
    keys: Sequence[bytes]
    mails: dict[str, ArrivedMail] = field(default_factory=dict)  # by the probe mail's id
    reports: dict[str, Report] = field(default_factory=dict)
    _after: str = ""

    def look(self) -> None:
        """Read what has arrived since the last look."""
        is_new = (arrival.c.received_at >= self.since) & (arrival.c.id > self._after) & (arrival.c.size <= _MOST_SIZE)
        query = (
            select(arrival.c.id, arrival_body.c.content)
            .join(arrival_body, arrival_body.c.arrival_id == arrival.c.id)
            .where(arrival.c.mailbox_id == self.mailbox_id, is_new)
        )
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(arrival.c.id).limit(_AT_ONCE)).all()
        for row in rows:
            self._after = row.id
            self._note(understand(row.content, self.keys))

    def _note(self, found: UnderstoodMail) -> None:
        for id_ in found.clues.probes:
            if found.report is not None:
                self.reports[id_] = found.report
            elif not found.mail.in_reply_to:  # else a vacation note about it
                self.mails.setdefault(id_, found.mail)

    def has(self, mail: ProbeMail) -> bool:
        return mail.id in self.mails

    def message_id(self, mail: ProbeMail) -> str | None:
        """The Message-ID with which a mail arrived."""
        return self.mails[mail.id].message_id if mail.id in self.mails else None

    def return_path(self, mail: ProbeMail) -> str | None:
        """The envelope sender with which a mail arrived (RFC 5321 section 4.4); None where the server doesn't say."""
        if mail.id not in self.mails:
            return None
        fields = (value for name, value in self.mails[mail.id].headers if name.lower() == "return-path")
        return next((address for value in fields for address in addresses_in(value)), None)

    def is_reported(self, mail: ProbeMail, kind: ReportKind) -> bool:
        """Whether a report of this kind about a mail has arrived."""
        report = self.reports.get(mail.id)
        return report is not None and any(one.kind is kind for one in report.recipients)
