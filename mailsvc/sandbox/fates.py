"""The sandbox's reaction to each address of ``sandbox.test`` (contract); it accepts every other address."""

import hmac
from collections import OrderedDict

from mailsvc import clock
from mailsvc.imap.server import FolderFull
from mailsvc.sandbox.acts import ACTS
from mailsvc.sandbox.maildrop import MailDrop
from mailsvc.sandbox.submitted import Submitted
from mailsvc.smtp.server import Envelope
from mailsvc.telemetry import log

__all__ = ["Fates"]

REMEMBERED = 10_000
DEFERRALS = 2
DOMAIN = "sandbox.test"


class Fates:
    """Accepts every message, delivers none, and simulates the outcome that an address stands for.

    Args:
        drop: where the mails go that follow from a message; without it, none follow.
    """

    def __init__(self, user: str, password: str, drop: MailDrop | None = None) -> None:
        self._user, self._password, self._drop = user, password, drop
        self._deferred: OrderedDict[tuple[str, str], int] = OrderedDict()

    def authenticate(self, user: str, password: str) -> bool:
        right = hmac.compare_digest(user.encode(), self._user.encode())
        return hmac.compare_digest(password.encode(), self._password.encode()) and right

    def rcpt(self, envelope: Envelope, recipient: str) -> bytes | None:
        local = _local_part(recipient)
        if local == "bounce":
            return b"550 5.1.1 no such user here"
        if local == "defer" and self._defers(envelope.envid or envelope.sender, recipient):
            return b"450 4.2.0 try again later"
        return None

    def message(self, envelope: Envelope, content: bytes) -> bytes:
        """Take the message. What follows from it is in the mailbox before the reply is sent."""
        try:
            for recipient in envelope.recipients:
                self._act(envelope, recipient, content)
        except (FolderFull, OSError):
            return b"452 4.3.1 the sandbox can't store what follows from this message"
        except Exception:  # noqa: BLE001 - a message that shows a fault of ours must not end the session
            log.error("the sandbox can't act", exc_info=True)
            return b"451 4.3.0 the sandbox failed"
        return b"250 2.0.0 taken by the sandbox"

    def _act(self, envelope: Envelope, recipient: str, content: bytes) -> None:
        act = ACTS.get(_local_part(recipient))
        if act is None or self._drop is None:
            return
        submitted = Submitted(envelope, recipient, content, clock.now())
        if (mail := act(submitted)) is not None:
            self._drop.deliver(mail, key=submitted.key)

    def _defers(self, message: str, recipient: str) -> bool:
        count = self._deferred.pop((message, recipient), 0)
        if count >= DEFERRALS:
            return False
        self._deferred[message, recipient] = count + 1
        if len(self._deferred) > REMEMBERED:
            self._deferred.popitem(last=False)
        return True


def _local_part(address: str) -> str:
    """In lower case; empty for an address elsewhere."""
    local, _, domain = address.lower().rpartition("@")
    return local if domain == DOMAIN else ""
