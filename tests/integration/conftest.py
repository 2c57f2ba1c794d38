"""What integration tests share: the choice of a database."""

import pytest


@pytest.fixture(scope="module")
def postgresql_url(request: pytest.FixtureRequest) -> str:
    """One database for all tests of a module; each empties it before it begins."""
    try:
        return str(request.getfixturevalue("postgres").fresh_database())
    except pytest.FixtureLookupError:
        pytest.skip("no PostgreSQL in this run")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Every test that uses it is run on both databases; None is the embedded one."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))
