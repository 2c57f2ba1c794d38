"""A relay as its row says, decrypted, with what can't be read of it."""

from typing import Any

from mailsvc.apps.relay_row import relay_of, relay_without_secrets
from mailsvc.apps.sandbox_relay import is_sandbox
from mailsvc.domain.relay import Relay
from mailsvc.store.vault import Vault, VaultError
from mailsvc.telemetry import facts, log

__all__ = ["KnownRelay"]


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
