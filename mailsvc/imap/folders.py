"""Folders: opening one, looking for one, making one where it is missing."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mailsvc.imap.client import Client
from mailsvc.imap.sent_words import COMMON_SENT
from mailsvc.mailaccess.errors import CommandRefused, FolderMissing, MailAccessError, ProtocolViolation, Stage
from mailsvc.mailaccess.sasl import require_sendable

__all__ = [
    "COMMON_SENT",
    "Folder",
    "create",
    "find_sent",
    "find_special",
    "is_there",
    "open_folder",
    "require_nameable",
]

_NO_FOLDER = {b"\\nonexistent", b"\\noselect"}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it was when it was opened."""

    name: str
    uidvalidity: int
    uidnext: int | None  # None where the server doesn't say
    exists: int


def open_folder(client: Client, name: str, *, readonly: bool) -> Folder:
    """SELECT or EXAMINE (RFC 9051 sections 6.3.2, 6.3.3).

    Raises:
        FolderMissing: there is none of that name, or it holds no messages.
        ProtocolViolation: without a UIDVALIDITY no UID means anything tomorrow.
    """
    require_nameable(Stage.FOLDER, name)
    with client.at(Stage.FOLDER) as connection:
        connection.exists, connection.has_news = 0, False
        told = client.select_folder(name, readonly)
        connection.has_news = False
        return Folder(name, _number(told, b"UIDVALIDITY"), _optional(told, b"UIDNEXT"), connection.exists)


def is_there(client: Client, stage: Stage, name: str) -> bool:
    """Whether there is such a folder; wildcards in its name match others, too, which are not counted."""
    with client.at(stage):
        return any(found == name for _, _, found in client.list_folders("", name))


def create(client: Client, name: str) -> None:
    """CREATE and SUBSCRIBE; raises FolderMissing where that is refused."""
    try:
        with client.at(Stage.MOVE):
            client.create_folder(name)
    except CommandRefused as error:
        if error.code != "ALREADYEXISTS":
            raise FolderMissing(Stage.MOVE, f"{name} is missing and can't be created: {error.text}") from error
    # A folder that nobody subscribed to is still a folder.
    with suppress(CommandRefused), client.at(Stage.MOVE):
        client.subscribe_folder(name)


def find_special(client: Client, attribute: str) -> str | None:
    r"""The folder with a special use such as ``\Sent`` (RFC 6154)."""
    with client.at(Stage.LIST):
        for attributes, _, name in client.list_special():
            lowered = {bytes(found).lower() for found in attributes}
            if attribute.lower().encode() in lowered and not lowered & _NO_FOLDER:
                return name
        return None


def find_sent(client: Client) -> str | None:
    r"""The folder for sent mail: by its special use ``\Sent``, else by a common name, also below another folder."""
    if special := find_special(client, "\\Sent"):
        return special
    with client.at(Stage.LIST):
        ranked = [
            (COMMON_SENT.index(last), name)
            for attributes, delimiter, name in client.list_folders()
            if (last := _last_part(name, delimiter)) in COMMON_SENT
            and not {bytes(found).lower() for found in attributes} & _NO_FOLDER
        ]
        return min(ranked)[1] if ranked else None


def _last_part(name: str, delimiter: bytes | None) -> str:
    return (name.rpartition(delimiter.decode())[2] if delimiter else name).lower()


def require_nameable(stage: Stage, name: str) -> None:
    """Raises UnsendableArgument."""
    require_sendable(stage, "a folder", name)


def _number(told: dict[bytes, Any], key: bytes) -> int:
    found = _optional(told, key)
    if found is None:
        raise ProtocolViolation(Stage.FOLDER, f"the folder has no {key.decode()}")
    return found


def _optional(told: dict[bytes, Any], key: bytes) -> int | None:
    found = told.get(key)
    if found is not None and not (isinstance(found, int) and 1 <= found < 2**32):
        raise _out_of_range(key)
    return found


def _out_of_range(key: bytes) -> MailAccessError:
    return ProtocolViolation(Stage.FOLDER, f"the {key.decode()} of the folder is out of range")
