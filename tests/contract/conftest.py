"""Every contract is run on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsvc.store import migrate
from mailsvc.store.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with all tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'mailsvc.db'}"
    else:
        url = request.getfixturevalue("postgres").fresh_database()
    database = Database(url)
    migrate.upgrade(database)
    yield database
    database.close()
