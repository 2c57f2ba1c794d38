"""The service's database for this process, with its tables made ready, whether or not the service runs."""

import threading

from mailsvc import forking
from mailsvc.service.bootstrap import bootstrap
from mailsvc.settings import Settings
from mailsvc.store.database import Database

__all__ = ["Storage"]

CONNECTIONS = 4


class Storage:
    """Opens the database when it is asked for the first time in a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening = threading.Lock()
        self._database: Database | None = None
        forking.forget_in_child(self)

    def database(self) -> Database:
        """The database.

        Raises:
            SettingsError: a setting can't be used.
            TablesMissing: the tables are not those of this version, and ``auto_migrate`` is off.
            Unavailable: the database can't be reached.
        """
        with self._opening:
            if self._database is None:
                forking.watch_forks()
                bootstrap(self._settings, with_key=False)
                self._database = Database(self._settings.database, pool_size=CONNECTIONS)
            return self._database

    def close(self) -> None:
        """Close its connections; it may be asked again."""
        with self._opening:
            database, self._database = self._database, None
        if database is not None:
            database.close()

    def forked(self) -> None:
        """Called in a forked child, which opens the database anew."""
        self._opening = threading.Lock()
        self._database = None
