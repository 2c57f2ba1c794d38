"""The mailbox object as applications send it, and its checks."""

from typing import Any, Literal

import msgspec

from mailsvc.apps.account_checks import (
    MASK,
    check_ca,
    check_host,
    check_plaintext,
    check_range,
    check_target,
    no_control,
    raise_if_any,
    unless,
)
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.targets import TargetPolicy
from mailsvc.oauth.grant import OAuth, check_oauth, check_oauth_target

__all__ = [
    "MOVE",
    "SECRETS",
    "NewMailbox",
    "check_mailbox",
    "check_unchanged",
    "port_of",
    "secrets_of",
    "validate_mailbox",
]

SECRETS = ("password", "oauth")
MOVE = "move:"
_AFTER = ("keep", "seen", "delete")
_PORTS = {("imap", "implicit"): 993, ("imap", "starttls"): 143, ("pop3", "implicit"): 995, ("pop3", "starttls"): 110}
# With another of these it would be another mailbox, for which the cursor means nothing.
_IDENTITY = ("protocol", "host", "username", "folder")
_LONGEST_FOLDER, _LONGEST_NAME = 1000, 300


class NewMailbox(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An IMAP or POP3 account that is watched."""

    name: str
    protocol: Literal["imap", "pop3"] = "imap"
    host: str
    port: int | None = None
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    verify: bool = True
    ca_pem: str | None = None
    username: str
    password: str | None = None
    oauth: OAuth | None = None
    folder: str = "INBOX"
    after: str = "keep"
    first_read: Literal["new", "all"] = "new"
    poll_interval: int = 60
    idle: bool = True
    relay: str | None = None
    sent_folder: str | None = None
    enabled: bool = True


def port_of(mailbox: NewMailbox) -> int:
    """The port, by default that of the protocol and its protection."""
    if mailbox.port is not None:
        return mailbox.port
    return _PORTS.get((mailbox.protocol, mailbox.tls), 143 if mailbox.protocol == "imap" else 110)


def check_mailbox(mailbox: NewMailbox, *, allow_plaintext: bool, targets: TargetPolicy) -> None:
    """Raises Invalid for a mailbox that the app may not have."""
    if mailbox.password == MASK:
        raise Invalid(FieldError("password", "is the placeholder for a stored secret; send the real value"))
    validate_mailbox(mailbox, allow_plaintext=allow_plaintext)
    check_target(mailbox.host, targets)
    raise_if_any([check_oauth_target(mailbox.oauth, targets)])


def validate_mailbox(mailbox: NewMailbox, *, allow_plaintext: bool) -> None:
    """Raises Invalid, which names every wrong field."""
    raise_if_any(
        [
            _check_name(mailbox.name),
            check_host(mailbox.host, "imap.example.com"),
            check_range("port", port_of(mailbox), 1, 65535),
            check_range("poll_interval", mailbox.poll_interval, 1, 86_400),
            check_plaintext(mailbox.tls, mailbox.host, allow_plaintext=allow_plaintext),
            *(no_control(field, getattr(mailbox, field)) for field in ("username", "password")),
            unless(mailbox.username, "username", "must not be empty"),
            _check_password(mailbox),
            _check_folder("folder", mailbox.folder),
            _check_folder("sent_folder", mailbox.sent_folder),
            _check_pop3_folder(mailbox),
            _check_after(mailbox),
            check_ca(mailbox.ca_pem),
            *check_oauth(mailbox.oauth),
        ]
    )


def check_unchanged(before: NewMailbox, after: NewMailbox) -> None:
    """Raises Invalid for a change that would make it another mailbox."""
    raise_if_any(
        [
            unless(
                getattr(before, field) == getattr(after, field),
                field,
                "can't be changed, because it would be another mailbox; create a new one and delete this",
            )
            for field in _IDENTITY
        ]
    )


def _check_name(name: str) -> FieldError | None:
    # Wider than a relay's: mailboxes from the settings are named user@host/folder.
    return unless(
        name and name.isprintable() and name == name.strip() and len(name) <= _LONGEST_NAME,
        "name",
        f"must be 1 to {_LONGEST_NAME} characters, none of them control characters, without spaces around it",
    )


def _check_password(mailbox: NewMailbox) -> FieldError | None:
    # A disabled one may get them later, from mailsvc mailbox authorize.
    is_needed = mailbox.enabled and "oauth" not in secrets_of(mailbox)
    return unless(mailbox.password or not is_needed, "password", "is required, or oauth, unless enabled is false")


def _check_folder(field: str, folder: str | None) -> FieldError | None:
    return unless(
        folder is None or (folder and folder.isprintable() and len(folder) <= _LONGEST_FOLDER),
        field,
        f"must be 1 to {_LONGEST_FOLDER} characters, none of them control characters",
    )


def _check_pop3_folder(mailbox: NewMailbox) -> FieldError | None:
    return unless(
        mailbox.protocol == "imap" or mailbox.folder.upper() == "INBOX", "folder", "must be INBOX: POP3 has no other"
    )


def _check_after(mailbox: NewMailbox) -> FieldError | None:
    if mailbox.protocol == "pop3":
        return unless(mailbox.after in ("keep", "delete"), "after", "must be keep or delete for POP3")
    if mailbox.after.startswith(MOVE):
        target = mailbox.after.removeprefix(MOVE)
        if target == mailbox.folder or target.upper() == mailbox.folder.upper() == "INBOX":  # RFC 9051 section 5.1
            return FieldError("after", "names the folder that is watched; move to another one")
        error = _check_folder("after", target)
        return FieldError("after", f"{MOVE}FOLDER: the folder {error.detail}") if error else None
    return unless(mailbox.after in _AFTER, "after", "must be keep, seen, delete or move:FOLDER")


def secrets_of(mailbox: NewMailbox) -> dict[str, Any]:
    """Return the fields that are stored encrypted, if they are set."""
    has_oauth = mailbox.oauth is not None and not mailbox.oauth.is_empty
    found = {"password": mailbox.password, "oauth": msgspec.to_builtins(mailbox.oauth) if has_oauth else None}
    return {name: value for name, value in found.items() if value is not None}
