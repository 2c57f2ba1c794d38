"""An application's database, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from tests.support.shop import Shop
from tests.support.tables import copy_empty_sqlite, empty


@pytest.fixture
def sqlite_shop(tmp_path: Path) -> Shop:
    """A file with all tables."""
    copy_empty_sqlite(tmp_path / "shop.db")
    return Shop(f"sqlite:///{tmp_path / 'shop.db'}")


@pytest.fixture
def postgresql_shop(postgresql_tables: Any) -> Iterator[Shop]:
    """A database with all tables."""
    empty(postgresql_tables)
    yield Shop(postgresql_tables.url.render_as_string(hide_password=False))
    postgresql_tables.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """On both kinds."""
    found: Shop = request.getfixturevalue(f"{request.param}_shop")
    return found


@pytest.fixture
def engine(shop: Shop) -> Iterator[Any]:
    """The application's engine, as SQLAlchemy makes it."""
    found = create_engine(shop.url)
    yield found
    found.dispose()
