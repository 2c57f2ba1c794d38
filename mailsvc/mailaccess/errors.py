"""What can go wrong in a session with a mailbox, sorted by what the caller must do about it.

MailAccessError
├── Unreachable             no connection, or it was lost or silent: try again later
├── TlsFailed               not protected as configured: a person must look
├── AuthRefused             the credentials: not again soon, repeated refusals lock accounts
├── TemporarilyUnavailable  the server says so: wait
│   ├── MailboxInUse        another session holds the mailbox
│   └── LoginDelayed        logins came too quickly
├── PermanentlyUnavailable  the server's operator must act
├── NotSupported            the server can't do what is needed
├── CommandRefused          this command, for no reason that has a code: the session goes on
│   ├── FolderMissing       there is no such folder
│   └── MessageGone         somebody else removed the message
├── UnsendableArgument      nothing was sent: the argument would be read as another command
├── ProtocolViolation       the session has ended: what came can't be understood
└── ResponseTooLarge        the session has ended: the server sends more than was agreed
"""

from enum import StrEnum

__all__ = [
    "AuthRefused",
    "CommandRefused",
    "FolderMissing",
    "LoginDelayed",
    "MailAccessError",
    "MailboxInUse",
    "MessageGone",
    "NotSupported",
    "PermanentlyUnavailable",
    "ProtocolViolation",
    "ResponseTooLarge",
    "Stage",
    "TemporarilyUnavailable",
    "TlsFailed",
    "Unreachable",
    "UnsendableArgument",
    "readable",
]

MOST_TEXT = 500  # characters of a server's text that are kept


class Stage(StrEnum):
    """Where in a session it happened."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    CAPABILITIES = "capabilities"
    LOGIN = "login"
    FOLDER = "folder"
    COUNT = "count"
    LIST = "list"
    FETCH = "fetch"
    SEARCH = "search"
    APPEND = "append"
    MARK = "mark"
    MOVE = "move"
    IDLE = "idle"
    DELETE = "delete"
    RESET = "reset"
    NOOP = "noop"
    QUIT = "quit"


class MailAccessError(Exception):
    """Anything that a session can't do.

    Args:
        text: the server's words, where it said any; control characters are escaped.
        code: the response code (RFC 2449 section 8, RFC 5530), upper case, without brackets.
    """

    def __init__(self, stage: Stage, text: str, *, code: str | None = None) -> None:
        super().__init__(stage, text)
        self.stage = stage
        self.text = text
        self.code = code

    def __str__(self) -> str:
        return f"{self.stage.value}: {f'[{self.code}] ' if self.code else ''}{self.text}"


class Unreachable(MailAccessError):
    """There is no connection, or it was lost, closed or silent for too long."""


class TlsFailed(MailAccessError):
    """The connection is not protected as configured; nothing that came in the clear was believed."""


class AuthRefused(MailAccessError):
    """The credentials were refused.

    Args:
        oauth_error: what an OAuth mechanism said beside the refusal, usually JSON (RFC 7628 section 3.2.2).
    """

    def __init__(self, stage: Stage, text: str, *, code: str | None = None, oauth_error: str | None = None) -> None:
        super().__init__(stage, text, code=code)
        self.oauth_error = oauth_error


class TemporarilyUnavailable(MailAccessError):
    """The server says that it will be able to later, with a code such as SYS/TEMP (RFC 3206 section 4).

    Args:
        wait: seconds that the server asks for, where it names a time.
    """

    def __init__(self, stage: Stage, text: str, *, code: str | None = None, wait: float | None = None) -> None:
        super().__init__(stage, text, code=code)
        self.wait = wait


class MailboxInUse(TemporarilyUnavailable):
    """Another session holds the mailbox: IN-USE (RFC 2449 section 8.1.2), INUSE (RFC 5530)."""


class LoginDelayed(TemporarilyUnavailable):
    """Logins came too quickly one after another: LOGIN-DELAY (RFC 2449 section 8.1.1)."""


class PermanentlyUnavailable(MailAccessError):
    """Only a person can mend it: SYS/PERM (RFC 3206 section 4)."""


class NotSupported(MailAccessError):
    """The server has no such command or mechanism."""


class CommandRefused(MailAccessError):
    """-ERR, NO or BAD to a command; in POP3 often because the message is gone."""


class FolderMissing(CommandRefused):
    """There is no such folder, or it can't be opened."""


class MessageGone(CommandRefused):
    """Somebody else removed the message, before or while it was read."""


class UnsendableArgument(MailAccessError):
    """The argument has a line break or a NUL; it is not repeated here, since it may be a secret."""


class ProtocolViolation(MailAccessError):
    """What came is not in the form of the protocol, or was not asked for."""


class ResponseTooLarge(MailAccessError):
    """A line, a list or a message is over its limit."""


def readable(said: bytes) -> str:
    """A server's words as one line for people: whatever is no text is escaped, and what is too long is cut."""
    text = said.decode("utf-8", "backslashreplace")
    cut = text[:MOST_TEXT] + ("…" if len(text) > MOST_TEXT else "")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
