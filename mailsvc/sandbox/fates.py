"""The sandbox's reaction to each address of ``sandbox.test`` (contract); it accepts every other address."""

import hmac
from collections import OrderedDict

from mailsvc.smtp.server import Envelope

__all__ = ["Fates"]

REMEMBERED = 10_000
DEFERRALS = 2


class Fates:
    """Accepts every message, delivers none, and simulates the outcome that an address stands for."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._deferred: OrderedDict[tuple[str, str], int] = OrderedDict()

    def authenticate(self, user: str, password: str) -> bool:
        right = hmac.compare_digest(user.encode(), self._user.encode())
        return hmac.compare_digest(password.encode(), self._password.encode()) and right

    def rcpt(self, envelope: Envelope, recipient: str) -> bytes | None:
        local, _, domain = recipient.lower().rpartition("@")
        if domain != "sandbox.test":
            return None
        if local == "bounce":
            return b"550 5.1.1 no such user here"
        if local == "defer" and self._defers(envelope.envid or envelope.sender, recipient):
            return b"450 4.2.0 try again later"
        return None

    def message(self, envelope: Envelope, content: bytes) -> bytes:  # noqa: ARG002 - the content is dropped
        return b"250 2.0.0 taken by the sandbox"

    def _defers(self, message: str, recipient: str) -> bool:
        count = self._deferred.pop((message, recipient), 0)
        if count >= DEFERRALS:
            return False
        self._deferred[message, recipient] = count + 1
        if len(self._deferred) > REMEMBERED:
            self._deferred.popitem(last=False)
        return True
