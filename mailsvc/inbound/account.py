"""How the account of a mailbox is reached."""

from mailsvc.domain.mailbox import Mailbox
from mailsvc.mailaccess.account import Server, Timeouts

__all__ = ["TIMEOUTS", "server_of"]

# A silent server is noticed within max(60 s, twice the poll interval), IDLE included: see ``imap_watch``.
TIMEOUTS = Timeouts(reply=30)


def server_of(mailbox: Mailbox) -> Server:
    """The server of the account."""
    return Server(mailbox.host, mailbox.port, mailbox.tls, mailbox.verify, mailbox.ca_pem, mailbox.targets)
