"""The helpers for webhooks of Flask, FastAPI and Starlette."""

from typing import Annotated, Any

import flask
import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from mailsvc_sdk import ConfigurationError, Mailsvc
from mailsvc_sdk.events import Event, MessageBounced
from mailsvc_sdk.fastapi import WebhookEvent
from mailsvc_sdk.flask import webhook
from mailsvc_sdk.testing import FakeMail, SignedRequest

RECEIVED: list[Event] = []


def flask_post(path: str, request: SignedRequest, config: dict[str, Any]) -> tuple[int, bytes]:
    app = flask.Flask(__name__)
    app.config.update(config)
    if config.pop("reads_first", False):
        app.before_request(lambda: print(len(flask.request.get_data())))

    @app.post("/hook")
    @webhook()
    def told(event: Event) -> None:
        RECEIVED.append(event)

    @app.post("/own/<name>")
    @webhook()
    def own(event: Event, name: str) -> tuple[str, int]:
        return f"{name} {event.id}", 202

    response = app.test_client().post(path, data=request.body, headers=request.headers)
    return response.status_code, response.data


def fastapi_post(request: SignedRequest, secret: str | None) -> int:
    app = FastAPI()

    @app.post("/hook", status_code=204)
    async def told(event: Annotated[Event, Depends(WebhookEvent(secret))]) -> None:
        RECEIVED.append(event)

    return TestClient(app).post("/hook", content=request.body, headers=request.headers).status_code


@pytest.fixture
def bounced(mailsvc: FakeMail) -> MessageBounced:
    RECEIVED.clear()
    return mailsvc.bounce(Mailsvc().send({"from": "a@app.test", "to": "b@example.test", "text": "x"}))


def test_flask_gives_the_event(mailsvc: FakeMail, bounced: MessageBounced) -> None:
    config = {"MAILSVC_WEBHOOK_SECRET": mailsvc.secret}

    assert flask_post("/hook", mailsvc.webhook(bounced), config) == (204, b"")
    assert flask_post("/hook", mailsvc.webhook(bounced), config | {"reads_first": True}) == (204, b"")
    assert RECEIVED == [bounced, bounced]
    assert flask_post("/own/x", mailsvc.webhook(bounced), config) == (202, f"x {bounced.id}".encode())
    status, body = flask_post("/hook", mailsvc.webhook(bounced, at=0), config)
    assert status == 400 and b"too_old" in body
    assert flask_post("/hook", SignedRequest(b"x" * (1024 * 1024 + 1), {}), config)[0] == 413


def test_fastapi_gives_the_event(mailsvc: FakeMail, bounced: MessageBounced) -> None:
    assert fastapi_post(mailsvc.webhook(bounced), mailsvc.secret) == 204
    assert RECEIVED == [bounced]
    assert fastapi_post(mailsvc.webhook(bounced, at=0), mailsvc.secret) == 400
    assert fastapi_post(SignedRequest(b"x" * (1024 * 1024 + 1), {}), mailsvc.secret) == 413


def test_the_secret_may_come_from_the_environment(
    mailsvc: FakeMail, bounced: MessageBounced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAILSVC_WEBHOOK_SECRET", raising=False)
    with pytest.raises(ConfigurationError, match="MAILSVC_WEBHOOK_SECRET"):
        fastapi_post(mailsvc.webhook(bounced), None)
    monkeypatch.setenv("MAILSVC_WEBHOOK_SECRET", mailsvc.secret)
    assert fastapi_post(mailsvc.webhook(bounced), None) == 204
