"""The relays for submission and delivery: decrypted, and cached for a second."""

import threading
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from mailsvc import clock
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.apps.relay_row import relay_of, relay_without_secrets
from mailsvc.apps.sandbox_relay import is_sandbox
from mailsvc.domain.relay import Relay
from mailsvc.domain.targets import TargetPolicy
from mailsvc.store.database import Database
from mailsvc.store.tables import app, relay
from mailsvc.store.vault import Vault, VaultError
from mailsvc.telemetry import facts, log

__all__ = ["KnownRelay", "RelayBook"]


class KnownRelay:
    """A relay, and whether it can be used now. ``flaw`` says why its row can't be read."""

    __slots__ = (
        "app_id",
        "enabled",
        "failures",
        "flaw",
        "is_default",
        "is_sandbox",
        "learnt",
        "paused",
        "relay",
        "retry_at",
        "version",
    )

    def __init__(self, row: Any, vault: Vault) -> None:
        try:
            self.relay, self.flaw = relay_of(row, vault), None
        except VaultError as error:
            # Stored as a value: one unreadable relay must not make the others unusable.
            self.relay, self.flaw = relay_without_secrets(row), str(error)
        except Exception as error:  # noqa: BLE001 - as above, for any error in the row
            log.error("a relay's row can't be read", exc_info=error, extra=facts(relay=row.name))
            flaw = f"its stored settings can't be read ({type(error).__name__})"
            self.relay, self.flaw = Relay(id=row.id, name=row.name, host=""), flaw
        self.app_id: str = row.app_id
        self.enabled: bool = bool(row.enabled) and self.flaw is None
        self.paused: bool = bool(row.paused)
        self.is_default: bool = bool(row.is_default)
        self.is_sandbox = is_sandbox(row)
        self.failures: int = row.failures
        self.retry_at: int | None = row.retry_at
        self.learnt: str | None = row.learnt
        self.version: int = row.updated_at


class RelayBook:
    """Looks relays up in a cache; entries are valid for ``memory`` seconds.

    ``targets`` limits the addresses of the relays of all apps but the first: the other apps are not the operator's.
    ``tokens`` gets the access tokens of those that log in with OAuth 2.
    """

    def __init__(self, database: Database, vault: Vault, *, memory: float = 1.0, targets: TargetPolicy = "any") -> None:
        self._targets = targets
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
            and before.version == row.updated_at
            and (before.retry_at, before.failures) == (row.retry_at, row.failures)
        ):
            return before  # saves decrypting again
        return self._fresh(row)

    def _fresh(self, row: Any) -> KnownRelay:
        known = KnownRelay(row, self._vault)
        known.relay = replace(known.relay, targets=self.targets_of(row.app_id))
        return known

    def targets_of(self, app_id: str) -> TargetPolicy:
        """The addresses that the relays of this app may have."""
        if self._targets == "any":
            return "any"
        if self._first_app is None:
            with self._database.read() as connection:
                self._first_app = connection.execute(select(app.c.id).order_by(app.c.id).limit(1)).scalar()
        return "any" if app_id == self._first_app else self._targets

    def choose(self, app_id: str, name_or_id: str | None) -> KnownRelay | None:
        """Return the relay that the message names, enabled or not; without a name the app's default.

        The default is the relay marked as such, else the oldest enabled one. The sandbox delivers nothing, so it is the
        default only of an app without any other relay.
        """
        relays = self._of_app(app_id)
        if name_or_id is not None:
            return next((r for r in relays if name_or_id in (r.relay.name, r.relay.id)), None)
        real = [r for r in relays if not r.is_sandbox] or relays
        return next((r for r in real if r.is_default), next((r for r in real if r.enabled), None))

    def forget(self) -> None:
        """Drop the cache, because a relay was changed."""
        with self._lock:
            self._generation += 1
            self._by_id.clear()
            self._by_app.clear()

    def _of_app(self, app_id: str) -> list[KnownRelay]:
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
