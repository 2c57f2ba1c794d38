"""The builder of messages, as every part of the service that takes some has it."""

from mailsvc.apps.relay_book import RelayBook
from mailsvc.outbox.builder import MessageBuilder
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault

__all__ = ["message_builder"]


def message_builder(settings: Settings, database: Database, vault: Vault, relays: RelayBook) -> MessageBuilder:
    """Return a builder with these settings; it signs with the newest key."""
    return MessageBuilder(database, relays, settings.limits, vault.signing_keys[0], settings.public_url)
