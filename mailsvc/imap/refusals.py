"""What NO, BAD and BYE mean: by their response code (RFC 9051 section 7.1, RFC 5530), else by the words of large providers."""

import re

from mailsvc.mailaccess.errors import (
    AuthRefused,
    CommandRefused,
    FolderMissing,
    MailAccessError,
    MailboxInUse,
    MessageGone,
    NotSupported,
    PermanentlyUnavailable,
    Stage,
    TemporarilyUnavailable,
    Unreachable,
    readable,
)

__all__ = ["farewell", "refusal"]

LONGEST_WAIT = 86400  # seconds that a server may ask for

_CODE = re.compile(r"\[([A-Za-z0-9/_.-]{1,64})(?: [^\]]*)?\] ?(.*)", re.DOTALL)
_BACKOFF = re.compile(r"Suggested Backoff Time: ([0-9]{1,12}) milliseconds", re.IGNORECASE)

# Microsoft 365 lets a throttled user log in and then says "User is authenticated but not connected". Gmail: "Account exceeded
# command or bandwidth limits", "Too many simultaneous connections", "Lockdown in sector".
_LATER = re.compile(
    r"throttl|authenticated but not connected|bandwidth limits|temporar|try(?: again)? later|try again|lockdown in sector"
    r"|(?:server|service) (?:is )?(?:busy|unavailable)|too many (?:simultaneous |concurrent )?(?:connections|sessions|requests)"
    r"|rate limit",
    re.IGNORECASE,
)

_KINDS: dict[str, type[MailAccessError]] = {
    "AUTHENTICATIONFAILED": AuthRefused,
    "AUTHORIZATIONFAILED": AuthRefused,
    "EXPIRED": AuthRefused,
    "PRIVACYREQUIRED": NotSupported,
    "UNAVAILABLE": TemporarilyUnavailable,
    "LIMIT": TemporarilyUnavailable,
    "THROTTLED": TemporarilyUnavailable,  # of Gmail; in no RFC
    "SERVERBUG": TemporarilyUnavailable,
    "INUSE": MailboxInUse,
    "CONTACTADMIN": PermanentlyUnavailable,
    "CORRUPTION": PermanentlyUnavailable,
    "EXPUNGEISSUED": MessageGone,
    "NONEXISTENT": FolderMissing,
    "TRYCREATE": FolderMissing,
}


def refusal(stage: Stage, kind: str, said: bytes) -> MailAccessError:
    """The error for a tagged NO or BAD."""
    code, text = _parted(said)
    found = _KINDS.get(code or "") or _by_words(text) or _by_stage(stage, kind)
    return _error(found, stage, code, text or "refused without a reason")


def farewell(stage: Stage, said: bytes) -> MailAccessError:
    """The error for a BYE that was not asked for."""
    code, text = _parted(said)
    found = _KINDS.get(code or "") or _by_words(text)
    if found is None:
        found = TemporarilyUnavailable if stage is Stage.GREETING else Unreachable
    return _error(found, stage, code, f"the server ended the session: {text or 'without a reason'}")


def _parted(said: bytes) -> tuple[str | None, str]:
    text = readable(said)
    match = _CODE.fullmatch(text)
    return (match[1].upper(), match[2]) if match else (None, text)


def _by_words(text: str) -> type[MailAccessError] | None:
    return TemporarilyUnavailable if _LATER.search(text) else None


def _by_stage(stage: Stage, kind: str) -> type[MailAccessError]:
    if stage is Stage.LOGIN:
        return AuthRefused
    return FolderMissing if stage is Stage.FOLDER and kind == "NO" else CommandRefused


def _error(kind: type[MailAccessError], stage: Stage, code: str | None, text: str) -> MailAccessError:
    if issubclass(kind, TemporarilyUnavailable):
        return kind(stage, text, code=code, wait=_wait(text))
    return kind(stage, text, code=code)


def _wait(text: str) -> float | None:
    match = _BACKOFF.search(text)
    return min(int(match[1]) / 1000, LONGEST_WAIT) if match else None
