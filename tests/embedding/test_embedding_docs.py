"""The code of docs/embedding.md runs, and does what the page says."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from tests.support.pages import dead_links, run_page
from tests.support.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"
_RELAY = r', relay_url="[^"]*"|^app\.config\["MAILSVC_RELAY_URL"\] = .*$'  # the reader's; here mail goes to the sandbox


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The page, without the reader's relay, and with an application of its own for the second extension."""
    found = tmp_path / "embedding.md"
    text = re.sub(_RELAY, "", PAGE.read_text(), flags=re.M)
    found.write_text(text.replace("Mailsvc(app, authorize", "Mailsvc(staff, authorize"))
    return found


@pytest.fixture
def unreachable() -> list[str]:
    """Who was marked as unreachable."""
    return []


@pytest.fixture
def names(
    page: Path, tmp_path: Path, unreachable: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """What the reader has after all blocks of the page."""
    monkeypatch.chdir(tmp_path)
    found = run_page(
        page,
        staff=Flask("staff"),
        mark_as_unreachable=lambda recipient, bounce: unreachable.append(f"{recipient}: {bounce['reason']}"),
        current_user=lambda request: SimpleNamespace(is_staff=True) if "X-Staff" in request.headers else None,
    )
    monkeypatch.setitem(sys.modules, "shop", SimpleNamespace(service=found["service"]))
    yield found
    for service in (found["service"], *(found[app].extensions["mailsvc"] for app in ("app", "staff"))):
        service.stop()


async def test_the_lifespan_starts_and_stops_the_service(names: dict[str, Any]) -> None:
    service = names["service"]
    assert not service.is_running
    async with names["lifespan"](None):
        assert service.is_ready

    assert not service.is_running


def test_gunicorns_workers_start_it_and_a_bounce_calls_the_function(
    names: dict[str, Any], unreachable: list[str]
) -> None:
    names["post_worker_init"](None)
    names["service"].send(from_="shop@app.test", to="bounce@sandbox.test", text="…")

    wait_until(lambda: unreachable == ["bounce@sandbox.test: mailbox_unknown"])


def test_the_flask_application_sends(names: dict[str, Any]) -> None:
    answer = names["app"].test_client().post("/orders", data={"email": "alice@example.test"})

    assert answer.status_code == 201
    assert names["app"].extensions["mailsvc"].is_running


def test_its_own_users_may_use_the_api(names: dict[str, Any]) -> None:
    client = names["staff"].test_client()

    assert client.get("/mail/v1/messages").status_code == 401
    assert client.get("/mail/v1/messages", headers={"X-Staff": "yes"}).status_code == 200


def test_its_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
