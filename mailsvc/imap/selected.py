"""The selected folder, and waiting for its news by IDLE or by asking."""

from mailsvc.imap.client import Client
from mailsvc.imap.folders import Folder, open_folder
from mailsvc.mailaccess.errors import Stage

__all__ = ["SelectedFolder"]


class SelectedFolder:
    """One session's folder, and what its status was when the server was last asked."""

    def __init__(self) -> None:
        self._folder: Folder | None = None
        self._status: object = None

    def select(self, client: Client, name: str, *, readonly: bool) -> Folder:
        """Select a folder, see ``open_folder``."""
        self._status = None
        self._folder = found = open_folder(client, name, readonly=readonly)
        return found

    def wait_for_news(self, client: Client, seconds: float, *, has_idle: bool) -> bool:
        """Wait so long at most; returns whether there may be news.

        Args:
            has_idle: the server offers IDLE (RFC 2177); without it, it is asked at the end.
        """
        with client.at(Stage.IDLE) as connection:
            if not connection.has_news:
                if has_idle:
                    connection.idle(seconds)
                else:
                    self._ask_after(client, seconds)
            found, connection.has_news = connection.has_news, False
            return found

    def _ask_after(self, client: Client, seconds: float) -> None:
        connection = client.connection
        connection.wait(seconds)
        connection.command("NOOP")
        # Some servers say nothing to NOOP.
        if not connection.has_news and self._folder is not None:
            status = client.folder_status(self._folder.name, ["MESSAGES", "UIDNEXT"])
            connection.has_news = self._status != status
            self._status = status
