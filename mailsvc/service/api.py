"""The API with all its parts, for the process or thread that serves it."""

import os
from functools import partial

from mailsvc.api.app import create_app
from mailsvc.api.auth import Keyring
from mailsvc.api.feed import Feed
from mailsvc.api.gateway import Gateway
from mailsvc.api.parts import Services
from mailsvc.api.readiness import Readiness
from mailsvc.apps.relay_book import RelayBook
from mailsvc.forking import close_in_child
from mailsvc.inbound.accountprobe.probe import probe_account
from mailsvc.inbound.probe import probe_mailbox
from mailsvc.outbox.admission import Admission
from mailsvc.outbox.shared_commit import SharedCommit
from mailsvc.outbox.submit import AcceptPipeline
from mailsvc.runtime.wake import DELIVER, EVENTS, NOTIFY, Bell, Ear
from mailsvc.service.bootstrap import open_vault
from mailsvc.service.building import message_builder
from mailsvc.settings import Settings
from mailsvc.smtp.probe import probe
from mailsvc.store.database import Database
from mailsvc.telemetry import Meter
from mailsvc.webhooks.trial import post_now

__all__ = ["Api"]

API_THREADS = 32
SLOWEST_ANSWER = 30.0  # seconds that the API waits for one reply of a database that responds


class Api:
    """The API, with its intake thread running.

    Attributes:
        flask: its WSGI application.
        gateway: its ASGI application, which holds fewer threads.
    """

    def __init__(self, settings: Settings, meter: Meter | None = None) -> None:
        self._database = Database(settings.database, pool_size=API_THREADS // 2, patience=SLOWEST_ANSWER)
        self._checked_database = Database(settings.database, pool_size=1, lock_seconds=1)
        self._bell, self._meter = close_in_child(Bell(settings.data_dir)), meter or Meter()
        self._intake = SharedCommit(
            self._database,
            ring=lambda: self._bell.ring(DELIVER, NOTIFY, EVENTS),
            max_queue=settings.max_queue,
            meter=self._meter,
        )
        services = self._services(settings)
        self._ear = Ear(settings.data_dir, f"api-{os.getpid()}")
        self._ear.listen_in_thread(services.feed.heard)
        self.flask = create_app(services)
        self.gateway = Gateway(self.flask, threads=API_THREADS, at_stop=services.feed.stop)

    def _services(self, settings: Settings) -> Services:
        database, vault = self._database, open_vault(settings)
        relays = RelayBook(database, vault, targets=settings.relay_targets, data_dir=settings.data_dir)
        builder = message_builder(settings, database, vault, relays)
        return Services(
            settings=settings,
            database=database,
            vault=vault,
            relays=relays,
            bell=self._bell,
            outbox=AcceptPipeline(builder, Admission(settings, database), self._intake),
            keyring=Keyring(database),
            feed=Feed(database),
            readiness=Readiness(settings, self._checked_database),
            check_relay=probe,
            check_mailbox=partial(probe_mailbox, tokens=relays.tokens),
            probe_account=partial(probe_account, database=database, tokens=relays.tokens, keys=vault.signing_keys),
            try_webhook=partial(post_now, settings.targets, settings.webhook_ca),
            meter=self._meter,
        )

    def close(self) -> None:
        """Store what was accepted, and let go of everything. Needed where the process goes on."""
        self._intake.stop()
        self._ear.close()
        self._bell.close()
        self._database.close()
        self._checked_database.close()
