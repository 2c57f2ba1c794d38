"""What an error of a session means: for its mailbox the reason that is shown and the next try; for a mail, whether to go on without it."""

import random
from dataclasses import dataclass

from mailsvc import clock
from mailsvc.apps.mailbox_state import FailedSession, MailboxReason
from mailsvc.mailaccess.errors import (
    AuthRefused,
    CommandRefused,
    FolderMissing,
    MailAccessError,
    MessageGone,
    PermanentlyUnavailable,
    ProtocolViolation,
    ResponseTooLarge,
    TemporarilyUnavailable,
    TlsFailed,
    Unreachable,
)
from mailsvc.oauth.errors import GrantRefused, OAuthError, TokenUnavailable

__all__ = ["ENOUGH_BLAME", "Backoff", "blame_of", "reason_of"]

FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0  # seconds
AFTER_REFUSED_LOGIN = 60.0  # repeated refusals lock accounts
_JITTER = 0.2
ENOUGH_BLAME = 2.0  # then the next try to read a mail is the last
_BLAME_OF_LOSS = 0.25  # a lost connection may be the fault of the network

_REASONS: dict[type[Exception], MailboxReason] = {
    AuthRefused: "auth_refused",
    Unreachable: "unreachable",
    TlsFailed: "tls",
    FolderMissing: "folder_missing",
    TemporarilyUnavailable: "throttled",
    PermanentlyUnavailable: "unreachable",
    GrantRefused: "oauth",
    TokenUnavailable: "unreachable",
}


def reason_of(error: MailAccessError | OAuthError) -> MailboxReason:
    """The reason that is shown; what can't be understood is a protocol error."""
    return next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), "protocol_error")


def blame_of(error: MailAccessError) -> float:
    """How likely it is that the error is about the mail that was asked for: 1 is for sure, 0 not at all."""
    if isinstance(error, MessageGone):
        return 0.0
    if isinstance(error, ResponseTooLarge | ProtocolViolation | CommandRefused | PermanentlyUnavailable):
        return 1.0
    is_loss = isinstance(error, Unreachable) or error.code == "SERVERBUG"
    return _BLAME_OF_LOSS if is_loss else 0.0


@dataclass(slots=True)
class Backoff:
    """The waits after failed sessions in a row."""

    failures: int = 0

    def failed(self, error: MailAccessError | OAuthError, *, now: int, chance: float | None = None) -> FailedSession:
        """Count a failed session. Returns what is stored about it."""
        self.failures += 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self.failures - 1, 10))
        wait *= 1 - _JITTER + 2 * _JITTER * (random.random() if chance is None else chance)  # noqa: S311
        if isinstance(error, AuthRefused | GrantRefused):
            wait = max(wait, AFTER_REFUSED_LOGIN)
        if isinstance(error, TemporarilyUnavailable | TokenUnavailable) and error.wait is not None:
            wait = max(wait, error.wait)
        return FailedSession(reason_of(error), str(error), now + round(wait * clock.SECOND))

    def worked(self) -> None:
        """A look was complete."""
        self.failures = 0
