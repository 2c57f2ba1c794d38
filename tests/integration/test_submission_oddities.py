"""What SQLite lets other programs insert: columns of other types, text that is no UTF-8; and drafts of a hundred megabytes."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailsvc.domain.ids import new_id
from mailsvc.store.tables import message
from tests.support.api import ApiHarness, open_harness
from tests.support.messages import writer
from tests.support.submissions import a_draft, take_all

_DRAFT = json.dumps(a_draft())
_BROKEN = "CAST(x'ff' AS TEXT)"


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[ApiHarness]:
    """A service on a file of its own, with the app ``shop``."""
    harness = open_harness(tmp_path)
    writer(harness, "shop")
    yield harness
    harness.close()


def _insert(harness: ApiHarness, columns: str, values: str, *given: Any) -> None:
    with closing(sqlite3.connect(harness.database.url.database or "", timeout=10)) as connection:
        connection.execute(f"INSERT INTO mailsvc_submission ({columns}) VALUES ({values})", given)  # noqa: S608
        connection.commit()


def _errors(harness: ApiHarness) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(harness.database.url.database or "")) as connection:
        said = connection.execute("SELECT errors FROM mailsvc_submission").fetchall()
    return [(error["field"], error["code"]) for (text,) in said for error in json.loads(text)]


def _messages(harness: ApiHarness) -> int:
    with harness.database.read() as connection:
        return len(connection.execute(select(message.c.id)).all())


def test_a_draft_of_bytes_is_a_draft(embedded: ApiHarness) -> None:
    _insert(embedded, "app, draft", "?, ?", "shop", _DRAFT.encode())
    _insert(embedded, "app, draft", "?, ?", b"shop", _DRAFT)
    _insert(embedded, "id, app, draft, idempotency_key", "?, ?, ?, ?", new_id("msg").encode(), "shop", _DRAFT, b"key")
    take_all(embedded)
    assert _messages(embedded) == 3 and _errors(embedded) == []


@pytest.mark.parametrize(
    ("columns", "values", "field"),
    [
        ("app, draft", f"'shop', {_BROKEN}", ""),
        ("app, draft", "'shop', 17", ""),
        ("app, draft", "'shop', x'00'", ""),
        ("app, draft", "'shop', ''", ""),
        ("app, draft", f"{_BROKEN}, '{{}}'", "app"),
        ("app, draft", "'', '{}'", "app"),
        ("app, draft", "x'ff', '{}'", "app"),
        ("app, draft, id", f"'shop', '{{}}', {_BROKEN}", "id"),
        ("app, draft, id", "'shop', '{}', 17", "id"),
        ("app, draft, id", "'shop', '{}', x'ff00'", "id"),
        ("app, draft, created_at", "'shop', '{}', 'yesterday'", "created_at"),
        ("app, draft, created_at", f"'shop', '{{}}', {_BROKEN}", "created_at"),
        ("app, draft, created_at", "'shop', '{}', 1.5", "created_at"),
        ("app, draft, created_at", "'shop', '{}', 9e999", "created_at"),
        ("app, draft, idempotency_key", f"'shop', '{{}}', {_BROKEN}", "idempotency_key"),
        ("app, draft, idempotency_key", "'shop', '{}', 'a' || char(0)", "idempotency_key"),
    ],
)
def test_an_odd_row_is_refused_and_the_others_are_taken(
    embedded: ApiHarness, columns: str, values: str, field: str
) -> None:
    _insert(embedded, "app, draft", "?, ?", "shop", _DRAFT)
    _insert(embedded, columns, values)
    _insert(embedded, "app, draft", "?, ?", "shop", _DRAFT)
    take_all(embedded)
    assert _messages(embedded) == 2
    assert [named for named, _ in _errors(embedded)] == [field]
    assert take_all(embedded) == []


def test_a_hundred_megabytes_are_not_read(embedded: ApiHarness) -> None:
    _insert(embedded, "app, draft", "?, ?", "shop", json.dumps(a_draft(text="x" * 100_000_000)))
    _insert(embedded, "app, draft", "?, ?", "shop", _DRAFT)
    take_all(embedded)
    assert _messages(embedded) == 1 and _errors(embedded) == [("", "payload_too_large")]


def test_a_row_that_changes_while_it_is_read_is_taken_as_it_is_then(
    embedded: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailsvc.outbox.submissions import take_up  # noqa: PLC0415 - to change it

    id_ = new_id("msg")
    _insert(embedded, "id, app, draft", "?, ?, ?", id_, "shop", _DRAFT)
    check = take_up.check_row

    def change_and_check(*given: Any) -> Any:
        with closing(sqlite3.connect(embedded.database.url.database or "", timeout=10)) as connection:
            connection.execute("UPDATE mailsvc_submission SET draft = ?", [json.dumps(a_draft(subject="Changed"))])
            connection.commit()
        return check(*given)

    with monkeypatch.context() as patched:
        patched.setattr(take_up, "check_row", change_and_check)
        (group,) = take_all(embedded)
    assert not group.has_moved and _messages(embedded) == 0
    take_all(embedded)
    with embedded.database.read() as connection:
        assert connection.execute(select(message.c.id, message.c.subject)).one() == (id_, "Changed")
