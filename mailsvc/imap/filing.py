"""Sent messages in a folder: counting those that are there, and filing one."""

from datetime import datetime
from typing import Any

from mailsvc.imap import folders
from mailsvc.imap.client import Client
from mailsvc.mailaccess.errors import CommandRefused, FolderMissing, Stage, UnsendableArgument
from mailsvc.mailaccess.sasl import require_sendable

__all__ = ["append", "count_copies"]

_MOST_LOOKED_AT = 100  # messages with one Message-ID
_FIELD = b"BODY[HEADER.FIELDS"  # servers write the rest in several ways


def count_copies(client: Client, message_id: str) -> int:
    """Return how many messages of the selected folder have exactly this Message-ID.

    SEARCH takes any field that contains the text, whatever its case (RFC 9051 section 6.4.4), and some servers find more
    than that, so that the fields are compared.

    Raises:
        UnsendableArgument: the Message-ID can't be searched for.
    """
    require_sendable(Stage.SEARCH, "a Message-ID", message_id)
    if not message_id.isascii():
        raise UnsendableArgument(Stage.SEARCH, "a Message-ID beyond ASCII can't be searched for")
    with client.at(Stage.SEARCH):
        found = sorted(client.search("HEADER", "Message-ID", _quoted(message_id)))[:_MOST_LOOKED_AT]
        if not found:
            return 0
        told = client.fetch_each(",".join(map(str, found)), "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        asked = set(found)
        return len({one[b"UID"] for one in told if one[b"UID"] in asked and _value(one) == message_id})


def append(client: Client, folder: str, content: bytes, sent_at: datetime) -> None:
    r"""APPEND a message with ``\Seen`` (RFC 9051 section 6.3.12); the folder is made where it is missing.

    Raises:
        FolderMissing: the folder can't be created.
        CommandRefused: the server does not take the message.
    """
    folders.require_nameable(Stage.APPEND, folder)
    try:
        _append(client, folder, content, sent_at)
    except CommandRefused as error:
        if not isinstance(error, FolderMissing) and folders.is_there(client, Stage.APPEND, folder):
            raise
        folders.create(client, folder)
        _append(client, folder, content, sent_at)


def _append(client: Client, folder: str, content: bytes, sent_at: datetime) -> None:
    with client.at(Stage.APPEND):
        client.append(folder, content, ("\\Seen",), sent_at)


def _value(told: dict[bytes, Any]) -> str:
    field = next((said for name, said in told.items() if name.upper().startswith(_FIELD)), None) or b""
    return "".join(field.decode("utf-8", "replace").partition(":")[2].split())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
