"""What the API's views are given: made once by the composition root, held by the Flask application."""

from dataclasses import dataclass

from flask import current_app

from mailsvc.api.admission import Admission
from mailsvc.api.auth import Keyring
from mailsvc.api.feed import Feed
from mailsvc.outbox.intake import Intake
from mailsvc.outbox.relays import RelayBook
from mailsvc.runtime.wake import Bell
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault

__all__ = ["Services", "services"]

EXTENSION = "mailsvc"


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that answer requests together."""

    settings: Settings
    database: Database
    vault: Vault
    relays: RelayBook
    bell: Bell
    intake: Intake
    keyring: Keyring
    admission: Admission
    feed: Feed


def services() -> Services:
    """The parts of the application that handles the current request."""
    found: Services = current_app.extensions[EXTENSION]
    return found
