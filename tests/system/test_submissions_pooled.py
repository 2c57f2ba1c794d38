"""Submissions behind PgBouncer in transaction mode."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.service import Service
from tests.support.waiting import wait_until


@pytest.fixture
def pooled(postgres: Postgres) -> Iterator[tuple[str, str]]:
    """The URL of a database through a pooler, and the direct one."""
    pooler, direct = PgBouncer(postgres), postgres.fresh_database()
    yield pooler.before(direct), direct
    pooler.remove()


@pytest.mark.parametrize("listens", [False, True])
def test_rows_are_polled_for_or_heard_of_by_a_direct_connection(
    run_service: Callable[..., Service], pooled: tuple[str, str], postgres: Postgres, listens: bool
) -> None:
    """Nobody can listen through it, so the table is polled; with a direct address, the service hears of rows."""
    url, direct = pooled
    service = run_service(database_url=url, **({"listen_url": direct} if listens else {}))
    name = direct.rpartition("/")[2]
    listeners = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND query = 'LISTEN mailsvc'"
    draft = '{"from": "shop@app.test", "to": "ok@sandbox.test", "text": "Hello."}'
    with postgres.connect(name) as connection:
        if listens:
            wait_until(lambda: connection.execute(listeners, [name]).fetchone() == (1,))
        else:
            wait_until(lambda: "MAILSVC_LISTEN_URL" in service.log())
        connection.execute("INSERT INTO mailsvc_submission (draft) VALUES (%s)", [draft])
        connection.commit()
        service.wait_for_events(lambda seen: any(e["type"] == "message.sent" for e in seen))
        assert connection.execute(listeners, [name]).fetchone() == (int(listens),)
