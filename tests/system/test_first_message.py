"""What a newcomer does: start, post, see."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.support.webhook_sink import open_sink

RunService = Callable[..., Service]


def test_the_first_message_travels_through_the_sandbox(run_service: RunService) -> None:
    """Without any configuration, a message is sent and its fate is told."""
    service = run_service()
    with service.client() as client:
        answer = client.post(
            "/v1/messages", json={"from": "a@app.test", "to": ["ok@sandbox.test", "bounce@sandbox.test"], "text": "Hi"}
        )

    assert answer.status_code == 202
    events = service.wait_for_events(
        lambda got: len([e for e in got if e["type"] in ("message.sent", "message.bounced")]) == 2
    )
    fates = {e["data"]["recipient"]: e["type"] for e in events if "recipient" in e["data"]}
    assert fates == {"ok@sandbox.test": "message.sent", "bounce@sandbox.test": "message.bounced"}


def test_what_comes_after_a_pause_waits_for_the_resume(run_service: RunService) -> None:
    """From the answer on: the worker does not go on for as long as it remembers the relay."""
    service = run_service()
    service.see_one_through()
    with service.client() as client:
        relay = "/v1/relays/" + client.get("/v1/relays").json()["data"][0]["id"]
        ids = []
        for _ in range(3):
            assert client.post(relay + "/pause").json()["status"] == "paused"
            answer = client.post("/v1/messages", json={"from": "a@app.test", "to": "ok@sandbox.test", "text": "Hi"})
            ids.append(answer.json()["id"])
            time.sleep(0.5)
            assert client.get(f"/v1/messages/{ids[-1]}").json()["status"] == "queued"
            client.post(relay + "/resume")
            service.wait_for_events(
                lambda got: ids[-1] in {e["data"].get("message_id") for e in got if e["type"] == "message.sent"}
            )


def test_a_start_with_a_misspelt_setting_names_it(run_service: RunService) -> None:
    """One sentence, exit code 2, nothing started."""
    service = run_service(start=False, relay_ulr="smtp://x")
    service.start(wait=False)

    assert service.first is not None
    assert service.first.wait(20) == 2
    assert "MAILSVC_RELAY_ULR is not a setting of mailsvc; did you mean MAILSVC_RELAY_URL?" in service.log()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_real_relay_gets_what_was_posted(
    run_service: RunService, tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    """Every message of a batch reaches the relay that the settings name, once."""
    settings = (
        {"database_url": request.getfixturevalue("postgres").fresh_database()} if database == "postgresql" else {}
    )
    receiver = Receiver(tmp_path / "receiver")
    service = run_service(relay_url=receiver.relay_url, **settings)
    batch = [
        {"from": "a@app.test", "to": f"user{n}@example.test", "subject": f"No. {n}", "text": "Hi"} for n in range(300)
    ]
    with service.client() as client:
        answer = client.post("/v1/messages/batch", json={"messages": batch})

    assert [entry["status"] for entry in answer.json()["data"]] == ["queued"] * 300
    service.wait_for_events(lambda got: sum(e["type"] == "message.sent" for e in got) == 300)
    expected = {f"{m['message_id']} {m['deliveries'][0]['recipient']}" for m in answer.json()["data"]}
    assert (set(receiver.received()), set(receiver.received().values())) == (expected, {1})
    receiver.stop()


def test_a_stop_is_clean_and_quick(run_service: RunService) -> None:
    """SIGTERM drains and ends with success."""
    assert run_service().terminate() == 0


def test_metrics_show_the_open_connection(run_service: RunService) -> None:
    """A session is kept for a while after its message, idle."""
    service = run_service()
    deadline = time.monotonic() + 30
    with service.client() as client:
        while True:
            service.see_one_through()
            lines = client.get("/metrics").text.splitlines()
            values = [float(line.split()[-1]) for line in lines if line.startswith("mailsvc_relay_connections{")]
            if sum(values) >= 1:
                return
            assert time.monotonic() < deadline, lines


def test_the_posts_of_a_webhook_from_the_settings_can_be_verified(run_service: RunService) -> None:
    """Its secret is made when none is given, and kept where the operator can read it."""
    with open_sink() as sink:
        service = run_service(webhook_url=sink.url("/hook"))
        service.see_one_through()
        post = sink.wait("/hook")[0]

    secret = service.data_dir / "webhook-secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    Webhook(secret.read_text().strip()).verify(post.body, post.headers)
