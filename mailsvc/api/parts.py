"""The services that the API's views use: created once by the composition root, held by the Flask application."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import current_app

from mailsvc.api.auth import Keyring
from mailsvc.api.feed import Feed
from mailsvc.api.readiness import Readiness
from mailsvc.apps.relay_book import RelayBook
from mailsvc.domain.errors import Unavailable
from mailsvc.domain.mailbox import Mailbox
from mailsvc.domain.relay import Relay
from mailsvc.domain.signing import TrialPost
from mailsvc.outbox.submit import AcceptPipeline
from mailsvc.runtime.wake import Bell
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault
from mailsvc.telemetry import Meter

__all__ = ["CheckMailbox", "CheckRelay", "ProbeAccount", "Services", "TryWebhook", "services"]

EXTENSION = "mailsvc"

CheckRelay = Callable[[Relay], dict[str, Any]]
ProbeAccount = Callable[[Mailbox, Relay, str], dict[str, Any]]
CheckMailbox = Callable[[Mailbox], dict[str, Any]]
TryWebhook = Callable[[TrialPost], dict[str, Any]]


def _no_relays(_relay: Relay) -> dict[str, Any]:
    raise Unavailable("this process was made without the part that talks to relays")


def _no_mailboxes(_mailbox: Mailbox) -> dict[str, Any]:
    raise Unavailable("this process was made without the part that talks to mailboxes")


def _no_probes(_mailbox: Mailbox, _relay: Relay, _address: str) -> dict[str, Any]:
    raise Unavailable("this process was made without the part that talks to mailboxes")


def _no_webhooks(_post: TrialPost) -> dict[str, Any]:
    raise Unavailable("this process was made without the part that talks to webhooks")


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that handle requests together."""

    settings: Settings
    database: Database
    vault: Vault
    relays: RelayBook
    bell: Bell
    outbox: AcceptPipeline
    keyring: Keyring
    feed: Feed
    readiness: Readiness
    # Network access belongs to layers beside this one; the composition root passes these functions in.
    check_relay: CheckRelay = _no_relays
    check_mailbox: CheckMailbox = _no_mailboxes
    probe_account: ProbeAccount = _no_probes
    try_webhook: TryWebhook = _no_webhooks
    meter: Meter = field(default_factory=Meter)


def services() -> Services:
    """Return the parts of the application that handles the current request."""
    found: Services = current_app.extensions[EXTENSION]
    return found
