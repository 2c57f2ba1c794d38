"""The relays for submission and delivery: decrypted, and cached for a second."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mailsvc import clock
from mailsvc.apps.known_relay import KnownRelay
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.apps.sandbox_address import relay_here
from mailsvc.domain.targets import TargetPolicy
from mailsvc.store.database import Database
from mailsvc.store.tables import app, relay
from mailsvc.store.vault import Vault

__all__ = ["RelayBook"]


class RelayBook:
    """Looks relays up in a cache; entries are valid for ``memory`` seconds.

    ``targets`` limits the addresses of the relays of all apps but the first: the other apps are not the operator's.
    ``tokens`` gets the access tokens of those that log in with OAuth 2. The sandbox's servers are those of ``data_dir``.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        memory: float = 1.0,
        targets: TargetPolicy = "any",
        data_dir: Path | None = None,
    ) -> None:
        self._targets, self._data_dir = targets, data_dir
        self._first_app: str | None = None
        self._database = database
        self._vault = vault
        self.tokens = AccessTokens(database, vault)
        self._memory = memory
        self._lock = threading.Lock()
        self._by_id: dict[str, tuple[float, KnownRelay | None]] = {}
        self._by_app: dict[str, tuple[float, list[KnownRelay]]] = {}
        self._generation = 0  # reads that began before the last ``forget`` are not cached

    def get(self, relay_id: str) -> KnownRelay | None:
        """Return the relay with this id, if it exists."""
        with self._lock:
            read_at, known = self._by_id.get(relay_id, (0.0, None))
        if read_at and clock.monotonic() - read_at < self._memory:
            return known
        return self.get_many([relay_id]).get(relay_id)

    def get_many(self, relay_ids: list[str]) -> dict[str, KnownRelay]:
        """Return the relays with these ids, without those that don't exist."""
        now = clock.monotonic()
        with self._lock:
            generation, known = self._generation, {i: self._by_id[i] for i in relay_ids if i in self._by_id}
        stale = [i for i in relay_ids if i not in known or now - known[i][0] >= self._memory]
        if stale:
            with self._database.read() as connection:
                rows = connection.execute(select(relay).where(relay.c.id.in_(stale))).all()
            read: dict[str, tuple[float, KnownRelay | None]] = dict.fromkeys(stale, (now, None))
            read |= {row.id: (now, self._known(row)) for row in rows}
            known |= read
            with self._lock:
                if generation == self._generation:
                    self._by_id.update(read)
        return {id_: found for id_, (_, found) in known.items() if found is not None}

    def _known(self, row: Any) -> KnownRelay:
        before = self._by_id.get(row.id, (0.0, None))[1]
        if (
            before is not None
            and not before.is_sandbox  # whose address is not in the row
            and before.version == row.updated_at
            and (before.retry_at, before.failures) == (row.retry_at, row.failures)
        ):
            return before  # saves decrypting again
        return self._fresh(row)

    def _fresh(self, row: Any) -> KnownRelay:
        known = KnownRelay(row, self._vault)
        known.relay = replace(known.relay, targets=self.targets_of(row.app_id))
        if self._data_dir is not None:
            known.relay = relay_here(row, known.relay, self._data_dir)
        return known

    def targets_of(self, app_id: str) -> TargetPolicy:
        """The addresses that the relays of this app may have."""
        if self._targets == "any":
            return "any"
        if self._first_app is None:
            with self._database.read() as connection:
                self._first_app = connection.execute(select(app.c.id).order_by(app.c.id).limit(1)).scalar()
        return "any" if app_id == self._first_app else self._targets

    def of_app(self, app_id: str) -> list[KnownRelay]:
        """The app's relays, oldest first."""
        with self._lock:
            generation, (read_at, relays) = self._generation, self._by_app.get(app_id, (0.0, []))
        if read_at and clock.monotonic() - read_at < self._memory:
            return relays
        with self._database.read() as connection:
            rows = connection.execute(select(relay).where(relay.c.app_id == app_id).order_by(relay.c.id)).all()
        relays = [self._fresh(row) for row in rows]
        with self._lock:
            if generation == self._generation:
                self._by_app[app_id] = (clock.monotonic(), relays)
        return relays

    def forget(self) -> None:
        """Drop the cache, because a relay was changed."""
        with self._lock:
            self._generation += 1
            self._by_id.clear()
            self._by_app.clear()
