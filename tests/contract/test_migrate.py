"""Older tables become this version's, and keep what is in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert

from mailsvc.domain.relay import Relay
from mailsvc.outbox.read import page
from mailsvc.outbox.search import Filter
from mailsvc.store import migrate
from mailsvc.store.columns import metadata
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import mailbox  # noqa: F401 - part of the metadata
from mailsvc.store.oauth_tables import oauth_token  # noqa: F401 - see above
from mailsvc.store.sent_tables import sent_job  # noqa: F401 - see above
from mailsvc.store.tables import delivery, message
from tests.support.messages import a_message

RELAY = Relay(id="rly_a", name="a", host="127.0.0.1")


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database that has no tables yet."""
    on_sqlite = request.param == "sqlite"
    database = Database(
        f"sqlite:///{tmp_path / 'bare.db'}" if on_sqlite else request.getfixturevalue("postgres").fresh_database()
    )
    yield database
    database.close()


def test_migrations_make_the_tables_that_the_code_means(bare: Database) -> None:
    migrate.upgrade(bare)
    with bare.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_ours})
        assert compare_metadata(context, metadata) == []


def _is_ours(name: str | None, kind: str, _: object) -> bool:
    return kind != "table" or name != migrate.VERSIONS


def test_messages_of_before_are_found_by_recipient(bare: Database) -> None:
    old = a_message(relay=RELAY, to=("alice@example.test", "Bob@example.test"))
    other = a_message(relay=RELAY, to=("carol@example.test",))
    migrate.upgrade(bare, head="0002")
    with bare.write() as connection:
        rows = [{name: value for name, value in m.message.items() if name != "return_path"} for m in (old, other)]
        connection.execute(insert(message), rows)
        connection.execute(insert(delivery), [*old.deliveries, *other.deliveries])

    migrate.upgrade(bare)

    with bare.read() as connection:
        found = page(connection, "app_1", Filter(recipient=("bob@example.test",)), before=None, limit=10)
    assert [m["id"] for m in found] == [old.message["id"]]


def test_tables_of_a_newer_version_are_left_alone(bare: Database) -> None:
    """Whoever is behind is told so."""
    newest = migrate.upgrade(bare)

    with pytest.raises(migrate.NewerTables, match="run the newer one"):
        migrate.upgrade(bare, head="0002")
    assert migrate.current(bare) == newest
