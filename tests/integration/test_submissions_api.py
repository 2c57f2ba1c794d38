"""People see and mend submissions: ``/v1/submissions``, ``mailsvc grants``, the metrics."""

import json
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from mailsvc.api.exposition import exposition
from mailsvc.cli.grants import command as grants
from mailsvc.domain.ids import new_id
from mailsvc.store.submission_tables import submission
from tests.support.api import ApiHarness, Client
from tests.support.messages import writer
from tests.support.postgres import Postgres
from tests.support.submissions import a_draft, add, rows_left, take_all
from tests.support.tables import with_tables


@pytest.fixture
def operator(harness: ApiHarness) -> Client:
    """The admin of the first app."""
    return writer(harness, "operator")


def test_rejected_and_waiting_rows_are_listed_newest_first(harness: ApiHarness, operator: Client, shop: Client) -> None:
    bad = add(harness.database, a_draft(to="nobody"), idempotency_key="k")
    take_all(harness)
    waiting, unknown = add(harness.database, a_draft()), add(harness.database, "{}", app="shpo")
    listed = operator.get("/submissions").json["data"]
    assert [(s["id"], s["state"]) for s in listed] == [(unknown, "waiting"), (waiting, "waiting"), (bad, "rejected")]
    assert (listed[2]["idempotency_key"], listed[2]["errors"][0]["field"]) == ("k", "to")
    assert [s["id"] for s in operator.get("/submissions?state=rejected").json["data"]] == [bad]
    assert [s["id"] for s in operator.get("/submissions?app=shpo").json["data"]] == [unknown]
    assert [s["id"] for s in shop.get("/submissions").json["data"]] == [waiting, bad]


def test_pages_follow_each_other(harness: ApiHarness, operator: Client) -> None:
    ids = [add(harness.database, "{}") for _ in range(5)]
    found, path = [], "/submissions?limit=2"
    while path:
        page = operator.get(path).json
        found += [s["id"] for s in page["data"]]
        path = page["next_cursor"] and f"/submissions?limit=2&cursor={page['next_cursor']}"
    assert found == sorted(ids, reverse=True)


@pytest.mark.parametrize("query", ["state=other", "limit=0", "colour=red"])
def test_wrong_filters_are_refused(operator: Client, query: str) -> None:
    assert operator.get(f"/submissions?{query}").status_code == 422


def test_one_row_is_shown_with_its_draft(harness: ApiHarness, operator: Client) -> None:
    id_ = add(harness.database, "{broken", app="shop")
    assert operator.get(f"/submissions/{id_}").json["draft"] == "{broken"


@pytest.mark.parametrize("furnishing", [{"max_request_bytes": 1000}])
def test_a_draft_that_is_too_large_is_not_shown(harness: ApiHarness, operator: Client) -> None:
    id_ = add(harness.database, "x" * 1001)
    shown = operator.get(f"/submissions/{id_}").json
    assert (shown["draft"], shown["size"]) == (None, 1001)


def test_a_row_is_tried_again_once_its_cause_is_gone(harness: ApiHarness, operator: Client, shop: Client) -> None:
    id_ = add(harness.database, a_draft(relay="later"))
    take_all(harness)
    relay = {"name": "later", "host": "127.0.0.1", "port": 2525, "tls": "none"}
    assert shop.post("/relays", relay).status_code == 201
    assert operator.post(f"/submissions/{id_}/retry").json["state"] == "waiting"
    take_all(harness)
    assert shop.get(f"/messages/{id_}").json["relay"] == "later"


def test_a_dropped_row_is_gone(harness: ApiHarness, operator: Client, shop: Client) -> None:
    id_ = add(harness.database, "{")
    assert operator.delete(f"/submissions/{id_}").status_code == 204
    assert rows_left(harness.database) == []
    for call in (operator.delete, operator.get):
        assert call(f"/submissions/{id_}").status_code == 404
    assert operator.post(f"/submissions/{id_}/retry").status_code == 404


def test_another_app_and_other_scopes_can_do_nothing(harness: ApiHarness, operator: Client, shop: Client) -> None:
    id_, blog = add(harness.database, a_draft()), writer(harness, "blog")
    sender = harness.client_of(shop.app_id, "send", "read")
    for client, status in ((blog, 404), (sender, 403)):
        assert client.get(f"/submissions/{id_}").status_code == status
        assert client.post(f"/submissions/{id_}/retry").status_code == status
        assert client.delete(f"/submissions/{id_}").status_code == status
    assert blog.get("/submissions?app=shop").json["data"] == []


def test_odd_rows_are_listed(harness: ApiHarness, operator: Client) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "17", "app": "", "draft": "", "created_at": -1, "errors": "no JSON"},
        {"id": new_id("msg"), "app": "x", "draft": "{}", "created_at": 2**62, "errors": "[]"},
    ]
    if harness.database.dialect == "sqlite":
        rows.append({"id": b"\xff", "app": b"\xfe", "draft": b"\xfd", "created_at": "soon", "errors": b"\xfc"})
    with harness.database.write() as connection:
        for row in rows:
            connection.execute(insert(submission).values(**row))
    listed = operator.get("/submissions").json["data"]
    assert len(listed) == len(rows) and all(s["created_at"] is None for s in listed)
    assert operator.get("/submissions/17").json["errors"] == [{"field": "", "detail": "no JSON"}]


def test_the_metrics_count_them(harness: ApiHarness, shop: Client) -> None:
    add(harness.database, "{")
    take_all(harness)
    add(harness.database, a_draft(), created_at=harness.database.now() - 10_000_000)
    text = exposition(harness.database, {}).decode()
    assert 'mailsvc_submissions{state="waiting"} 1.0' in text
    assert 'mailsvc_submissions{state="rejected"} 1.0' in text
    (oldest,) = (line.split()[1] for line in text.splitlines() if line.startswith("mailsvc_submission_oldest_seconds"))
    assert float(oldest) >= 10


def test_the_grants_are_those_of_the_schema_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILSVC_DATABASE_URL", "postgresql+psycopg://shop@127.0.0.1/shop")
    monkeypatch.setenv("MAILSVC_DATABASE_SCHEMA", "mail")

    assert 'ON "mail".mailsvc_submission' in CliRunner().invoke(grants, ["shop"]).output
    assert 'ON "other".mailsvc_submission' in CliRunner().invoke(grants, ["shop", "--schema", "other"]).output


def test_the_grants_let_a_role_insert_and_nothing_else(postgres: Postgres) -> None:
    url = postgres.fresh_database()
    with_tables(url).close()
    printed = CliRunner().invoke(grants, ['sh"op', "--json"])
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute('CREATE ROLE "sh""op"')
        for statement in json.loads(printed.output)["statements"]:
            admin.execute(statement)
        admin.execute('SET ROLE "sh""op"')
        row = "INSERT INTO mailsvc_submission (draft, idempotency_key) VALUES ('{}', 'k') RETURNING id"
        (id_,) = admin.execute(row).fetchone() or ("",)
        assert id_.startswith("msg_")
        admin.execute("INSERT INTO mailsvc_submission (id, draft) VALUES (%s, '{}') ON CONFLICT (id) DO NOTHING", [id_])
        for refused in (
            "SELECT draft FROM mailsvc_submission",
            "UPDATE mailsvc_submission SET draft = ''",
            "DELETE FROM mailsvc_submission",
            "INSERT INTO mailsvc_submission (draft, errors) VALUES ('{}', '[]')",
            "SELECT 1 FROM mailsvc_message",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                admin.execute(refused)
        admin.execute("RESET ROLE")
        admin.execute('DROP OWNED BY "sh""op"')
        admin.execute('DROP ROLE "sh""op"')
