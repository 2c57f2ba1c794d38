"""The probe mails: three, each in a transaction of its own, all to the account's own address."""

from dataclasses import dataclass
from email.utils import formatdate

from mailsvc.domain.ids import new_id
from mailsvc.mime.tokens import Purpose, plus_address, probe_message_id, probe_subject
from mailsvc.smtp.opening import Submission

__all__ = ["ProbeMail", "ProbeMails", "probe_mails"]

_TEXT = """\
From: {address}\r
To: {address}\r
Subject: {subject}\r
Date: {date}\r
Message-ID: {message_id}\r
Auto-Submitted: auto-generated\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=us-ascii\r
\r
mailsvc sent this mail to find out what this account supports (mailsvc mailbox probe).\r
It may be deleted.\r
"""


@dataclass(frozen=True, slots=True)
class ProbeMail:
    """One probe mail, and how it is sent."""

    id: str
    message_id: str
    submission: Submission


@dataclass(frozen=True, slots=True)
class ProbeMails:
    """The mails of one probe.

    Attributes:
        plain: from and to the account's address, asking for a report of success.
        to_plus: to a subaddress.
        from_plus: with a subaddress as envelope sender, which is not the address in From.
    """

    plain: ProbeMail
    to_plus: ProbeMail
    from_plus: ProbeMail

    @property
    def all(self) -> tuple[ProbeMail, ...]:
        """In the order in which they are sent."""
        return (self.plain, self.to_plus, self.from_plus)


def probe_mails(address: str, key: bytes) -> ProbeMails:
    """Return new probe mails for an account with this address."""
    return ProbeMails(
        plain=_mail(address, "plain", key, notify_success=True),
        to_plus=_mail(address, "plus address", key, is_to_plus=True),
        from_plus=_mail(address, "return path", key, is_from_plus=True),
    )


def _mail(
    address: str,
    what: str,
    key: bytes,
    *,
    is_to_plus: bool = False,
    is_from_plus: bool = False,
    notify_success: bool = False,
) -> ProbeMail:
    id_ = new_id("prb")
    plus = plus_address(address, id_, Purpose.PROBE, key)
    message_id = probe_message_id(id_, address.rpartition("@")[2], key)
    subject = probe_subject(what, id_, key)
    text = _TEXT.format(address=address, subject=subject, date=formatdate(usegmt=False), message_id=message_id)
    submission = Submission(
        sender=plus if is_from_plus else address,
        recipients=(plus if is_to_plus else address,),
        content=text.encode("ascii"),
        envid=id_,
        notify_success=notify_success,
    )
    return ProbeMail(id_, message_id, submission)
