"""The PostgreSQL that tests run against does what tests of crashes and outages ask of it."""

import psycopg
import pytest

from tests.support.postgres import Postgres


def _dsn(url: str) -> str:
    return url.replace("postgresql+psycopg:", "postgresql:")


def test_fresh_databases_are_isolated(postgres: Postgres) -> None:
    """What one test writes, no other sees."""
    first, second = postgres.fresh_database(), postgres.fresh_database()
    with psycopg.connect(_dsn(first)) as connection:
        connection.execute("CREATE TABLE thing (n int)")

    with psycopg.connect(_dsn(second)) as connection:
        assert connection.execute("SELECT to_regclass('thing')").fetchone() == (None,)


def test_terminating_backends_leaves_the_server_running(postgres: Postgres) -> None:
    """Every client's connection breaks; a new one works."""
    url = _dsn(postgres.fresh_database())
    connection = psycopg.connect(url)
    postgres.kill_backends()

    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_committed_rows_survive_a_crash_and_a_stop(own_postgres: Postgres) -> None:
    """Killed and started again, stopped and started again, with the same port and data."""
    url = _dsn(own_postgres.fresh_database())
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE thing AS SELECT 42 AS n")
        assert connection.execute("SHOW fsync").fetchone() == ("on",)

    for end in (own_postgres.kill9, own_postgres.stop):
        end()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        own_postgres.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT n FROM thing").fetchone() == (42,)
