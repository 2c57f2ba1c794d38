"""The API as a WSGI and an ASGI application below a path of the host's."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from mailsvc.embedding import Service
from tests.support.waiting import wait_until

MakeService = Callable[..., Service]
LETTER = {"from": "shop@app.test", "to": "alice@example.test", "subject": "Hello", "text": "It works."}


def key_of(service: Service) -> dict[str, str]:
    return {"Authorization": f"Bearer {(service.settings.data_dir / 'api-key').read_text().strip()}"}


def test_wsgi_answers_below_its_path_without_a_service_that_runs(make_service: MakeService) -> None:
    service = make_service()
    host = Client(DispatcherMiddleware(lambda *_: [b"the host"], {"/mail": service.wsgi}))  # type: ignore[arg-type]

    assert host.get("/mail/readyz").status_code == 200
    accepted = host.post("/mail/v1/messages", json=LETTER, headers=key_of(service))
    assert accepted.status_code == 202
    assert "url: /mail" in host.get("/mail/openapi.yaml").text
    assert 'href="/mail/openapi.yaml"' in host.get("/mail/docs").text
    assert not service.is_running


async def test_asgi_answers_below_its_path(make_service: MakeService) -> None:
    """In the host's event loop, where it waits for nothing; long polls too."""
    service = make_service()

    async def host(scope: Any, receive: Any, send: Any) -> None:
        await service.asgi({**scope, "root_path": "/mail"}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url="http://host.test") as client:
        assert (await client.get("/mail/readyz")).status_code == 200
        key = key_of(service)
        polled = asyncio.create_task(client.get("/mail/v1/events?after=now&wait=20", headers=key))
        accepted = await client.post("/mail/v1/messages", json=LETTER, headers=key)
        assert accepted.status_code == 202, accepted.text
        many = await asyncio.gather(*(client.post("/mail/v1/messages", json=LETTER, headers=key) for _ in range(50)))
        assert {answer.status_code for answer in many} == {202}
        assert (await polled).json()["data"][0]["type"] == "message.queued"
        assert "url: /mail" in (await client.get("/mail/openapi.yaml")).text


async def test_the_lifespan_starts_and_stops_a_service_that_does_not_run(make_service: MakeService) -> None:
    service = make_service()
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    life = asyncio.create_task(service.asgi({"type": "lifespan"}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})

    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    assert service.is_ready
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await life
    assert not service.is_running


async def test_a_start_that_fails_is_told_to_the_server(make_service: MakeService) -> None:
    service = make_service(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    await inbox.put({"type": "lifespan.startup"})
    await service.asgi({"type": "lifespan"}, inbox.get, outbox.put)
    told = await outbox.get()

    assert told["type"] == "lifespan.startup.failed"
    assert "MAILSVC_DATABASE_URL" in told["message"]


def test_a_mail_is_sent_in_a_transaction_of_its_own(make_service: MakeService) -> None:
    """Known by its id at once; taken up as soon as the service runs."""
    service = make_service()
    receipt = service.send(from_="shop@app.test", to="ok@sandbox.test", subject="Hello", text="It works.")
    host = Client(service.wsgi)
    host.get("/readyz")

    def status() -> str:
        return str(host.get(f"/v1/messages/{receipt.id}", headers=key_of(service)).json["status"])  # type: ignore[index]

    assert status() == "queued"
    with service:
        wait_until(lambda: status() == "sent")


async def test_a_database_that_is_away_is_a_problem(make_service: MakeService) -> None:
    service = make_service(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    by_wsgi = await asyncio.to_thread(Client(service.wsgi).get, "/readyz")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service.asgi), base_url="http://host.test") as client:
        by_asgi = await client.get("/readyz")

    for answer in (by_wsgi, by_asgi):
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert answer.headers["Retry-After"]
    assert by_asgi.json()["code"] == "unavailable"
