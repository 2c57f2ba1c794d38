"""What a mail is: the one place that decides its kind by its bytes. Pure; it never raises."""

from collections.abc import Sequence

from mailsvc.findings.judge import kind_of
from mailsvc.inbox.keep import KeptMail
from mailsvc.inbox.shown import ClassifiedMail
from mailsvc.understand.mail import understand

__all__ = ["classify"]


def classify(kept: KeptMail, keys: Sequence[bytes]) -> ClassifiedMail:
    """Return what the mail is.

    Args:
        keys: that sign the tokens in addresses and envelope ids.
    """
    understood = understand(kept.content, keys)
    is_readable = understood.mail.is_readable and kept.error is None
    kind = kind_of(understood) if is_readable else "unparsed"
    return ClassifiedMail(kept.id, kind, understood, kept.error or understood.mail.error)
