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
    # Posts give way to mail while the processors are busy: then 50 of them a second are sent, of these hundreds.
    sink.wait_for_events("/hook", {e["id"] for e in events}, seconds=90)

    assert {e["data"]["message_id"] for e in events if e["type"] == "message.sent"} == set(ids)
    for complaint in ("prepared statement", "unsupported startup parameter", "InvalidSqlStatementName"):
        assert complaint not in service.log()
    with postgres.connect(direct.rpartition("/")[2]) as connection:  # what was SET must not stay with a session
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_two_services_in_two_schemas_of_one_database(
    run_service: Callable[..., Service], pooled: tuple[str, str], postgres: Postgres
) -> None:
    """Each transaction gets another server session, which the other service may just have had."""
    url, direct = pooled
    pair = [run_service(schema, database_url=url, database_schema=schema) for schema in ("mail", "News")]
    with ThreadPoolExecutor(4) as threads:
        sent = [list(threads.map(lambda n, service=service: send(service, n), range(6))) for service in pair]
    for service, batches in zip(pair, sent, strict=True):
        ids = {id_ for batch in batches for id_ in batch}
        events = service.wait_for_events(
            lambda seen, ids=ids: sum(e["type"] == "message.sent" for e in seen) >= len(ids), 60
        )
        assert {e["data"]["message_id"] for e in events if e["type"] == "message.sent"} == ids
        for complaint in ("does not exist", "UndefinedTable"):
            assert complaint not in service.log()

    with postgres.connect(direct.rpartition("/")[2]) as connection:
        found = connection.execute(
            "SELECT schemaname, count(*) FROM pg_tables WHERE tablename LIKE 'mailsvc%' GROUP BY 1 ORDER BY 1"
        ).fetchall()
        assert [schema for schema, _ in found] == ["News", "mail"]
        assert found[0][1] == found[1][1]
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)
