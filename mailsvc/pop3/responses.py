"""What a POP3 server can say, out of bytes, strictly: what is out of form is not guessed at."""

import re

import msgspec

from mailsvc.mailaccess.errors import (
    AuthRefused,
    CommandRefused,
    LoginDelayed,
    MailAccessError,
    MailboxInUse,
    PermanentlyUnavailable,
    ProtocolViolation,
    Stage,
    TemporarilyUnavailable,
    readable,
)

__all__ = ["Chunk", "End", "Line", "Status", "parse_scan", "parse_stat", "parse_status", "parse_uid", "refusal"]

MOST_NUMBER = 2**31 - 1  # of a message
MOST_SIZE = 2**63 - 1  # in bytes
LONGEST_UID = 255  # characters; RFC 1939 allows 70, and not every server keeps to it

_STATUS = re.compile(rb"(\+OK|-ERR)(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)
_CHALLENGE = re.compile(rb"\+(?: (.*))?", re.DOTALL)
_CODE = re.compile(r"\[([A-Za-z0-9/_.-]{1,64})\] ?(.*)", re.DOTALL)
_STAT = re.compile(rb"([0-9]{1,19}) +([0-9]{1,19})(?: .*)?", re.DOTALL)
_SCAN = re.compile(rb" *([0-9]{1,19}) +([0-9]{1,19})(?:[ \t].*)?", re.DOTALL)
_UID = re.compile(rb" *([0-9]{1,19}) +([^\x00-\x20\x7f]+) *")

# For servers without response codes. Whatever speaks of an account or a password is left to AuthRefused: to wait longer
# than needed is harmless, to go on trying is not.
_BUSY = re.compile(r"(?:maildrop|mailbox|mail drop|spool|pop lock).{0,60}(?:locked|lock busy|in use)", re.IGNORECASE)
_LATER = re.compile(
    r"temporar|try(?: again)? later|try again|server (?:is )?(?:busy|unavailable)|too many (?:connections|sessions)",
    re.IGNORECASE,
)
_ABOUT_ACCOUNT = re.compile(r"account|password|credential|authenticat|log(?: ?in|on) fail", re.IGNORECASE)


class Status(msgspec.Struct, frozen=True, gc=False):
    """+OK, -ERR, or a challenge within AUTH (``is_ok`` is None)."""

    is_ok: bool | None
    code: str | None  # RFC 2449 section 8: upper case, without brackets
    said: bytes  # all that follows the indicator, the code included

    @property
    def text(self) -> str:
        """The words without the code, for people."""
        text = readable(self.said)
        code = _CODE.fullmatch(text)
        return code[2] if code else text


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of a list, without its end."""

    said: bytes


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of a message, as long as the network gave it; dots are already removed."""

    data: bytes


class End(msgspec.Struct, frozen=True, gc=False):
    """A list or a message is complete."""


def parse_status(line: bytes, stage: Stage, *, takes_challenge: bool) -> Status:
    """The line that begins every response (RFC 1939 section 3).

    Args:
        takes_challenge: it may be ``+ base64`` instead (RFC 5034 section 4).

    Raises:
        ProtocolViolation: it is none.
    """
    if match := _STATUS.fullmatch(line):
        said: bytes = match[2] or b""
        return Status(match[1][:1] == b"+", _code_of(said), said)
    if takes_challenge and (match := _CHALLENGE.fullmatch(line)):
        return Status(None, None, match[1] or b"")
    raise ProtocolViolation(stage, f"not a POP3 response: {readable(line[:80])}")


def _code_of(said: bytes) -> str | None:
    code = _CODE.match(readable(said)) if said[:1] == b"[" else None
    return code[1].upper() if code else None


def parse_stat(said: bytes) -> tuple[int, int]:
    """How many messages, and their bytes (RFC 1939 section 5); raises ProtocolViolation."""
    match = _STAT.fullmatch(said)
    if match is None or int(match[1]) > MOST_NUMBER or int(match[2]) > MOST_SIZE:
        raise ProtocolViolation(Stage.COUNT, f"not a count of messages: {readable(said[:80])}")
    return int(match[1]), int(match[2])


def parse_scan(line: bytes) -> tuple[int, int]:
    """A message's number and its bytes, which servers give wrongly at times; raises ProtocolViolation."""
    match = _SCAN.fullmatch(line)
    if match is None or int(match[2]) > MOST_SIZE:
        raise ProtocolViolation(Stage.LIST, f"not a message number and a size: {readable(line[:80])}")
    return _number(match[1], line), int(match[2])


def parse_uid(line: bytes) -> tuple[int, str]:
    """A message's number and its unique-id (RFC 1939 section 7), bytes beyond ASCII escaped; raises ProtocolViolation."""
    match = _UID.fullmatch(line)
    if match is None or len(match[2]) > LONGEST_UID:
        raise ProtocolViolation(Stage.LIST, f"not a message number and a unique-id: {readable(line[:80])}")
    return _number(match[1], line), match[2].decode("ascii", "backslashreplace")


def _number(digits: bytes, line: bytes) -> int:
    number = int(digits)
    if not 1 <= number <= MOST_NUMBER:
        raise ProtocolViolation(Stage.LIST, f"not a message number: {readable(line[:80])}")
    return number


def refusal(stage: Stage, status: Status) -> MailAccessError:
    """What -ERR means here. Of an unknown code the part before the slash decides (RFC 2449 section 8)."""
    kind = _by_code(status.code) or _by_stage(stage, status.text)
    return kind(stage, status.text or "refused without a reason", code=status.code)


def _by_code(code: str | None) -> type[MailAccessError] | None:
    if code == "SYS/PERM":
        return PermanentlyUnavailable
    known: dict[str, type[MailAccessError]] = {
        "IN-USE": MailboxInUse,
        "LOGIN-DELAY": LoginDelayed,
        "AUTH": AuthRefused,
        "SYS": TemporarilyUnavailable,
    }
    return known.get(code.partition("/")[0]) if code else None


def _by_stage(stage: Stage, text: str) -> type[MailAccessError]:
    if stage is Stage.GREETING:
        return TemporarilyUnavailable
    if stage is not Stage.LOGIN:
        return TemporarilyUnavailable if _LATER.search(text) else CommandRefused
    if _ABOUT_ACCOUNT.search(text):
        return AuthRefused
    if _BUSY.search(text):
        return MailboxInUse
    return TemporarilyUnavailable if _LATER.search(text) else AuthRefused
