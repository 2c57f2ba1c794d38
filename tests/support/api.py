"""The API in the test's own process: Flask's client with a key, real parts, a real database."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert
from werkzeug.datastructures import Headers

from mailsvc.api.app import create_app
from mailsvc.api.auth import Keyring
from mailsvc.api.feed import Feed
from mailsvc.api.parts import Services
from mailsvc.api.readiness import Readiness
from mailsvc.apps.keys import digest_of
from mailsvc.apps.relay_book import RelayBook
from mailsvc.domain.ids import new_id
from mailsvc.outbox.admission import Admission
from mailsvc.outbox.builder import MessageBuilder
from mailsvc.outbox.shared_commit import SharedCommit
from mailsvc.outbox.submit import AcceptPipeline
from mailsvc.runtime.wake import Bell
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from mailsvc.store.tables import api_key, app
from mailsvc.store.vault import Vault
from mailsvc.telemetry import Meter
from tests.support.tables import copy_empty_sqlite

__all__ = ["Answer", "Client", "ApiHarness", "open_harness"]


@dataclass(frozen=True)
class Answer:
    """A response; ``json`` is None if the body is not JSON."""

    status_code: int
    headers: Headers
    data: bytes
    json: Any


@dataclass
class Client:
    """A client with a key; it returns whole responses, so that a test can check status and headers."""

    flask: FlaskClient
    app_id: str
    key: str

    def call(self, method: str, path: str, json: Any = None, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.key}"}
        if json is not None:
            options["json"] = json
        response = self.flask.open("/v1" + path, method=method, headers=headers, **options)
        return Answer(response.status_code, response.headers, response.data, response.get_json(silent=True))

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, json: Any = None) -> Answer:
        return self.call("POST", path, json)

    def patch(self, path: str, json: Any) -> Answer:
        return self.call("PATCH", path, json)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)


@dataclass
class ApiHarness:
    """One service with as many apps as a test wants."""

    services: Services
    flask: Flask

    @property
    def database(self) -> Database:
        return self.services.database

    def create_app(self, name: str, *scopes: str) -> Client:
        """A new app with a key of these scopes (``admin`` unless said otherwise)."""
        app_id, now = new_id("app"), self.database.now()
        with self.database.write() as connection:
            connection.execute(insert(app).values(id=app_id, name=name, created_at=now, updated_at=now))
        return self.client_of(app_id, *scopes)

    def client_of(self, app_id: str, *scopes: str) -> Client:
        """Create another key of the app. Returns a client with it."""
        key, now = "mk_" + secrets.token_urlsafe(32), self.database.now()
        listed = "[" + ",".join(f'"{scope}"' for scope in scopes or ("admin",)) + "]"
        values = {"name": "test", "digest": digest_of(key), "scopes": listed, "networks": "[]"}
        with self.database.write() as connection:
            connection.execute(
                insert(api_key).values(id=new_id("key"), app_id=app_id, created_at=now, updated_at=now, **values)
            )
        return Client(self.flask.test_client(), app_id, key)

    def close(self) -> None:
        self.services.feed.stop()
        self.services.outbox.intake.stop()
        self.database.close()


def open_harness(data_dir: Path, database: Database | None = None, **given: Any) -> ApiHarness:
    """A service without workers on an empty database, by default an embedded one of its own.

    ``given`` are further parts of its Services, or settings by their names.
    """
    parts = {name: given.pop(name) for name in ("check_relay", "try_webhook") if name in given}
    settings, vault = Settings(data_dir=data_dir, **given), Vault("a key for tests only")
    if database is None:
        copy_empty_sqlite(data_dir / "mailsvc.db")
        database = Database(settings.database, pool_size=4)
    relays = RelayBook(database, vault, targets=settings.relay_targets)
    meter = Meter()
    intake = SharedCommit(database, ring=lambda: None, max_queue=settings.max_queue, meter=meter)
    services = Services(
        settings=settings,
        database=database,
        vault=vault,
        relays=relays,
        bell=Bell(data_dir),
        outbox=AcceptPipeline(
            MessageBuilder(database, relays, settings.limits, vault.signing_keys[0], settings.public_url),
            Admission(settings, database),
            intake,
        ),
        keyring=Keyring(database),
        feed=Feed(database),
        readiness=Readiness(settings, database),
        meter=meter,
        **parts,
    )
    return ApiHarness(services, create_app(services))
