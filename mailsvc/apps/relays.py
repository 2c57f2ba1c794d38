"""Relays as rows: what the API shows, what delivery needs, and a short-lived memory of both."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from mailsvc import clock
from mailsvc.domain.relay import SANDBOX, Relay, Timeouts
from mailsvc.domain.targets import TargetPolicy
from mailsvc.settings import stored_rate
from mailsvc.store.database import Database
from mailsvc.store.tables import app, relay
from mailsvc.store.vault import Vault, VaultError
from mailsvc.telemetry import facts, log

__all__ = ["IS_SANDBOX", "KnownRelay", "RelayBook", "is_sandbox", "relay_of"]

IS_SANDBOX = relay.c.managed & (relay.c.name == SANDBOX)


def is_sandbox(row: Any) -> bool:
    """Whether a row of ``mailsvc_relay`` is the sandbox's; ``IS_SANDBOX`` asks the database the same."""
    return bool(row.managed) and row.name == SANDBOX


class KnownRelay:
    """A relay with whether it may be used now."""

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
            # Put aside, so that one relay that can't be used does not keep the others from it.
            self.relay, self.flaw = _relay(row, {}), str(error)
        except Exception as error:  # noqa: BLE001 - as above, whatever is wrong with its row
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


def relay_of(row: Any, vault: Vault) -> Relay:
    """The relay that a row of ``mailsvc_relay`` describes, its secrets decrypted."""
    return _relay(row, json.loads(vault.decrypt(row.secret)) if row.secret else {})


def _relay(row: Any, secret: Mapping[str, Any]) -> Relay:
    config: Mapping[str, Any] = json.loads(row.config)
    rate = config.get("rate")
    return Relay(
        id=row.id,
        name=row.name,
        host=config["host"].removesuffix("."),
        port=config["port"],
        tls=config["tls"],
        verify=config["verify"],
        ca_pem=config.get("ca_pem"),
        username=config.get("username"),
        password=secret.get("password"),
        auth=config["auth"],
        access_token=(secret.get("oauth") or {}).get("access_token"),
        max_connections=config["max_connections"],
        max_messages_per_connection=config["max_messages_per_connection"],
        max_recipients=config.get("max_recipients", 100),
        pipelining=config.get("pipelining", "auto"),
        rate=stored_rate(rate) if rate else None,
        return_path=config.get("return_path"),
        verp=config["verp"],
        dsn=config["dsn"],
        ehlo=config.get("ehlo"),
        timeouts=Timeouts(**(config.get("timeouts") or {})),
    )


class RelayBook:
    """Looks relays up; what it knows is at most ``memory`` seconds old.

    ``targets`` says which addresses the relays of all apps but the first may have: those are strangers' in our network.
    """

    def __init__(self, database: Database, vault: Vault, *, memory: float = 1.0, targets: TargetPolicy = "any") -> None:
        self._targets = targets
        self._first_app: str | None = None
        self._database = database
        self._vault = vault
        self._memory = memory
        self._lock = threading.Lock()
        self._by_id: dict[str, tuple[float, KnownRelay | None]] = {}
        self._by_app: dict[str, tuple[float, list[KnownRelay]]] = {}
        self._generation = 0  # what was read before the last ``forget`` is not remembered after it

    def get(self, relay_id: str) -> KnownRelay | None:
        """The relay with this id, if it exists."""
        with self._lock:
            read_at, known = self._by_id.get(relay_id, (0.0, None))
        if read_at and clock.monotonic() - read_at < self._memory:
            return known
        return self.get_many([relay_id]).get(relay_id)

    def get_many(self, relay_ids: list[str]) -> dict[str, KnownRelay]:
        """Those of the relays that exist."""
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
            return before  # spares decrypting again
        return self._fresh(row)

    def _fresh(self, row: Any) -> KnownRelay:
        known = KnownRelay(row, self._vault)
        known.relay = replace(known.relay, targets=self.targets_of(row.app_id))
        return known

    def targets_of(self, app_id: str) -> TargetPolicy:
        """Which addresses the relays of this app may have."""
        if self._targets == "any":
            return "any"
        if self._first_app is None:
            with self._database.read() as connection:
                self._first_app = connection.execute(select(app.c.id).order_by(app.c.id).limit(1)).scalar()
        return "any" if app_id == self._first_app else self._targets

    def choose(self, app_id: str, name_or_id: str | None) -> KnownRelay | None:
        """The relay that an app names, whether it is enabled or not; or its default.

        That is the one marked so, else the oldest that is enabled. The sandbox delivers to nobody: by itself it is chosen
        only where there is no other relay at all.
        """
        relays = self._of_app(app_id)
        if name_or_id is not None:
            return next((r for r in relays if name_or_id in (r.relay.name, r.relay.id)), None)
        real = [r for r in relays if not r.is_sandbox] or relays
        return next((r for r in real if r.is_default), next((r for r in real if r.enabled), None))

    def forget(self) -> None:
        """Read everything again at the next question."""
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
