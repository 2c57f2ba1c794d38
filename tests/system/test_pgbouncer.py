"""The service behind PgBouncer in transaction mode, where no server session is its own."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.service import Service
from tests.support.webhook_sink import Sink, open_sink

BATCHES, SIZE = 12, 25


@pytest.fixture
def pooled(postgres: Postgres) -> Iterator[tuple[str, str]]:
    """The URL of a database through a pooler, and the direct one."""
    pooler, direct = PgBouncer(postgres), postgres.fresh_database()
    yield pooler.before(direct), direct
    pooler.remove()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with open_sink() as found:
        yield found


def send(service: Service, number: int) -> list[str]:
    """A batch of messages to the sandbox; their ids."""
    mails = [
        {"from": "shop@app.test", "to": f"ok+{number}-{n}@sandbox.test", "subject": "Hi", "text": "Hello."}
        for n in range(SIZE)
    ]
    with service.client() as client:
        answer = client.post("/v1/messages/batch", json={"messages": mails})
    assert answer.status_code == 202, answer.text
    return [entry["id"] for entry in answer.json()["data"]]


def test_a_whole_life_behind_pgbouncer(
    run_service: Callable[..., Service], pooled: tuple[str, str], postgres: Postgres, sink: Sink
) -> None:
    """Tables made, mail accepted by many at once, sent, told by webhook; killed and started again: nothing is lost."""
    url, direct = pooled
    service = run_service(database_url=url, webhook_url=sink.url("/hook"))
    with ThreadPoolExecutor(6) as threads:
        ids = [id_ for some in threads.map(lambda n: send(service, n), range(BATCHES)) for id_ in some]
    service.kill9()
    service.start()
    events = service.wait_for_events(lambda seen: sum(e["type"] == "message.sent" for e in seen) >= len(ids), 60)
    sink.wait_for_events("/hook", {e["id"] for e in events})

    assert {e["data"]["message_id"] for e in events if e["type"] == "message.sent"} == set(ids)
    for complaint in ("prepared statement", "unsupported startup parameter", "InvalidSqlStatementName"):
        assert complaint not in service.log()
    with postgres.connect(direct.rpartition("/")[2]) as connection:  # what was SET must not stay with a session
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
