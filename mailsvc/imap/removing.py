"""Taking messages out of a folder: to another one, or for good."""

from collections.abc import Iterable

from mailsvc.imap import folders
from mailsvc.imap.client import Client, batches
from mailsvc.mailaccess.errors import CommandRefused, FolderMissing, NotSupported, Stage

__all__ = ["expunge", "move"]


def move(client: Client, capabilities: frozenset[str], uids: Iterable[int], folder: str) -> None:
    """Move to a folder, which is created and subscribed to where it is missing.

    Raises:
        NotSupported: the server has neither MOVE nor UIDPLUS; nothing was done.
        FolderMissing: the folder can't be created.
    """
    _require(capabilities, "MOVE", "UIDPLUS", stage=Stage.MOVE)
    folders.require_nameable(Stage.MOVE, folder)
    has_move = "MOVE" in capabilities
    for batch in batches(uids):
        try:
            _move(client, batch, folder, has_move=has_move)
        except CommandRefused as error:
            if not isinstance(error, FolderMissing) and folders.is_there(client, Stage.MOVE, folder):
                raise
            folders.create(client, folder)
            _move(client, batch, folder, has_move=has_move)


def expunge(client: Client, capabilities: frozenset[str], uids: Iterable[int]) -> None:
    """Delete these and no others (RFC 4315 section 2.1); raises NotSupported without UIDPLUS."""
    _require(capabilities, "UIDPLUS", stage=Stage.DELETE)
    with client.at(Stage.DELETE):
        for batch in batches(uids):
            _delete(client, batch)


def _require(capabilities: frozenset[str], *any_of: str, stage: Stage) -> None:
    if not capabilities & set(any_of):
        raise NotSupported(stage, f"the server has no {' and no '.join(any_of)}")


def _move(client: Client, batch: str, folder: str, *, has_move: bool) -> None:
    with client.at(Stage.MOVE):
        if has_move:
            client.move(batch, folder)
        else:
            client.copy(batch, folder)
            _delete(client, batch)


def _delete(client: Client, batch: str) -> None:
    client.store(map(int, batch.split(",")), "\\Deleted")
    client.uid_expunge(batch)
