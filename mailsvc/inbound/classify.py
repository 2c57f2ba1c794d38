"""What a mail is: the one place that decides its kind. Pure; it never raises."""

from mailsvc.inbox.keep import KeptMail
from mailsvc.inbox.record import ClassifiedMail
from mailsvc.mime.arrived import read_mail

__all__ = ["classify"]


def classify(kept: KeptMail) -> ClassifiedMail:
    """Return what the mail is."""
    mail = read_mail(kept.content)
    is_readable = mail.is_readable and kept.error is None
    return ClassifiedMail(kept.id, "message" if is_readable else "unparsed", mail, kept.error or mail.error)
