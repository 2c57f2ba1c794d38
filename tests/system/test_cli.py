"""The commands against a real service; tests/unit/test_cli_usage.py runs some as processes of their own."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.postgres import Postgres
from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.support.shell import Said, clean_environment, mailsvc, mailsvc_here
from tests.support.waiting import wait_until
from tests.support.webhook_sink import open_sink


class Shell(Protocol):
    def __call__(self, *arguments: str, stdin: str = "") -> Said: ...


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service with its sandbox for all tests here; each leaves no relay and webhook behind."""
    service = Service(tmp_path_factory.mktemp("cli") / "data").start()
    yield service
    service.kill9()


@pytest.fixture
def shell(service: Service) -> Shell:
    """Runs commands on the service's host."""

    def run(*arguments: str, stdin: str = "") -> Said:
        return mailsvc_here(*arguments, environment=service.environment(), stdin=stdin)

    return run


def test_sending_can_be_followed_to_each_recipients_fate(shell: Shell) -> None:
    """A line per recipient and change; failure where one was not reached."""
    to = ["--to", "ok@sandbox.test", "--to", "bounce@sandbox.test"]
    said = shell("send", "--from", "a@app.test", *to, "--subject", "Hi", "--text", "Hello", "--follow")
    first, *changes = said.out.splitlines()

    assert (said.code, first[:4], len(changes)) == (1, "msg_", 2)
    assert {line.split("  ", 1)[1] for line in changes} == {
        "ok@sandbox.test  sent  250 2.0.0 taken by the sandbox",
        "bounce@sandbox.test  bounced  550 5.1.1 no such user here",
    }


def test_stdin_is_the_text_where_the_rest_is_given(shell: Shell, service: Service) -> None:
    """As with mail(1); success where everybody was reached."""
    said = shell("send", "--from", "a@app.test", "--to", "ok@sandbox.test", "--follow", "--json", stdin="Häuser\n")
    accepted, event = said.json_lines
    with service.client() as client:
        text = client.get(f"/v1/messages/{accepted['id']}?include=content").json()["text"]

    assert (said.code, event["type"], event["data"]["recipient"]) == (0, "message.sent", "ok@sandbox.test")
    assert text.strip() == "Häuser"


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_a_finished_mail_is_sent_as_it_is(shell: Shell, service: Service, tmp_path: Path, way: str) -> None:
    """From a file or stdin, with its own headers."""
    mail = f"From: a@app.test\nTo: ok@sandbox.test\nSubject: My own\nMessage-ID: <own-{way}@app.test>\n\nHi\n"
    path = tmp_path / "mail.eml"
    path.write_text(mail)
    said = shell("send", str(path), "--json") if way == "file" else shell("send", "--json", stdin=mail)

    assert (said.code, said.json["message_id"]) == (0, f"<own-{way}@app.test>")


def test_a_list_of_messages_is_one_batch(shell: Shell) -> None:
    """Those that can be taken are; the others are told, and the command fails."""
    good, bad = {"to": "ok@sandbox.test"}, {"to": "no address"}
    said = shell("send", "-", "--from", "a@app.test", "--text", "Hi", stdin=json.dumps([good, bad]))

    assert (said.code, said.out.count("msg_")) == (1, 1)
    assert "message 1: to" in said.err


def test_a_repeated_idempotency_key_is_followed_too(shell: Shell) -> None:
    """The fate that is already known is shown again."""
    command = ["send", "--from", "a@app.test", "--to", "ok@sandbox.test", "--text", "Hi", "--idempotency-key", "once"]
    first = shell(*command)
    said = shell(*command, "--follow")

    assert (said.code, said.out.splitlines()[0]) == (0, first.out.strip())
    assert "sent  250" in said.out


def test_a_refusal_names_every_field(shell: Shell) -> None:
    """As the problem document does, without a traceback."""
    said = shell("send", "--from", "a@app.test", "--to", "a b", "--to", "c", "--text", "Hi")

    assert (said.code, said.out) == (1, "")
    assert ("  to.0: " in said.err, "  to.1: " in said.err) == (True, True)


def test_the_queue_shows_what_waits_and_why(shell: Shell) -> None:
    """By relay and state, with the next attempt and the last answer."""
    shell("send", "--from", "a@app.test", "--to", "defer@sandbox.test", "--text", "Hi", "--follow", "--timeout", "0")
    deadline = time.monotonic() + 20
    while "450 4.2.0" not in (shown := shell("queue")).out:
        assert time.monotonic() < deadline, shown.out
    waits = [a for a in shell("queue", "--json").json["next"] if a["recipient"] == "defer@sandbox.test"]

    assert ("sandbox  deferred" in shown.out, waits[0]["status"]) == (True, "deferred")


def test_events_can_be_followed(service: Service, shell: Shell) -> None:
    """What is printed is what a webhook would get, as it happens."""
    command = [sys.executable, "-m", "mailsvc", "events", "--follow", "--json", "--after", "beginning"]
    with subprocess.Popen(
        [*command, "--type", "message.sent"], env=service.environment(), stdout=subprocess.PIPE, text=True
    ) as follower:
        sent = shell("send", "--from", "a@app.test", "--to", "ok@sandbox.test", "--text", "Hi", "--json").json
        assert follower.stdout is not None
        ours = next(e for e in map(json.loads, follower.stdout) if e["data"]["message_id"] == sent["id"])
        follower.terminate()

    assert (ours["type"], ours["sequence"]) == ("message.sent", 2)


def test_keys_are_made_and_revoked_while_the_service_runs(shell: Shell, service: Service) -> None:
    """A new key works at once with its scopes only; a revoked one is refused shortly after."""
    made = shell("key", "create", "shop", "--scope", "read", "--json").json
    refused = shell("send", "--key", made["key"], "--from", "a@app.test", "--to", "ok@sandbox.test", "--text", "Hi")
    assert (refused.code, "scope 'send'" in refused.err) == (1, True)

    with service.client() as client:
        client.headers["Authorization"] = f"Bearer {made['key']}"
        assert client.get("/v1/events").status_code == 200
        assert shell("key", "revoke", made["id"]).code == 0
        deadline = time.monotonic() + 10
        while client.get("/v1/events").status_code != 401:
            assert time.monotonic() < deadline


def test_the_last_admin_key_stays(shell: Shell) -> None:
    """Nobody locks themselves out."""
    last = next(k["id"] for k in shell("key", "list", "--json").json["data"] if "admin" in k["scopes"])
    said = shell("key", "revoke", last)

    assert (said.code, "last key with scope admin" in said.err) == (1, True)


def test_a_relay_is_added_checked_and_paused(shell: Shell, service: Service, tmp_path: Path) -> None:
    """By its URL and then by its name; a check that fails is a failure."""
    receiver = Receiver(tmp_path / "receiver")
    made = shell("relay", "add", "-", "--name", "real", "--no-default", "--json", stdin=receiver.relay_url)
    good, paused = shell("relay", "check", "real"), shell("relay", "pause", "real", "--reason", "they move")
    receiver.stop()
    bad = shell("relay", "check", "real")
    with service.client() as client:
        client.delete(f"/v1/relays/{made.json['id']}").raise_for_status()

    assert (good.code, bad.code) == (0, 1)
    assert ("ok   auth" in good.out, "FAIL connect" in bad.out) == (True, True)
    assert paused.out == "real is paused: they move.\n"


def test_a_webhook_is_added_and_tried(shell: Shell, service: Service) -> None:
    """Its secret is shown once; a trial that fails is a failure."""
    with open_sink() as sink:
        sink.answers["/hook"].extend([204, 500])
        made = shell("webhook", "add", sink.url("/hook"), "--event", "webhook.test", "--json").json
        tries = [shell("webhook", "test", made["id"]) for _ in range(2)]
    listed = shell("webhook", "list")
    with service.client() as client:
        client.delete(f"/v1/webhooks/{made['id']}").raise_for_status()

    assert (made["secret"][:6], [said.code for said in tries]) == ("whsec_", [0, 1])
    assert (made["id"] in listed.out, made["secret"] in listed.out) == (True, False)


def test_the_doctor_finds_a_healthy_service_healthy(shell: Shell) -> None:
    """Only that the sandbox delivers to nobody is worth a warning."""
    shell("send", "--from", "a@app.test", "--to", "ok@sandbox.test", "--text", "Hi", "--follow")  # its workers are up
    said = shell("doctor", "--json")
    unwell = {f["check"]: f["todo"] for f in said.json["findings"] if f["level"] != "ok"}

    assert (said.code, said.json["ok"], list(unwell)) == (0, True, ["relays"])
    assert "MAILSVC_RELAY_URL" in unwell["relays"]


def test_the_doctor_tells_a_failing_relay_and_its_reason(shell: Shell, service: Service, tmp_path: Path) -> None:
    """With what to do, and failure."""
    receiver = Receiver(tmp_path / "gone")
    url = receiver.relay_url
    receiver.stop()
    made = shell("relay", "add", url, "--name", "gone", "--no-default", "--json").json
    sent = shell("send", "--from", "a@app.test", "--to", "a@b.test", "--text", "Hi", "--relay", "gone", "--json").json
    service.wait_for_events(lambda got: any(e["type"] == "relay.paused" and e["data"]["name"] == "gone" for e in got))
    said = shell("doctor")
    with service.client() as client:
        client.post(f"/v1/messages/{sent['id']}/cancel").raise_for_status()
        client.delete(f"/v1/relays/{made['id']}").raise_for_status()

    assert said.code == 1
    assert "PROBLEM  relay gone: is backing off after failures: connect" in said.out


def test_the_doctor_warns_of_a_database_that_may_forget(postgres: Postgres, tmp_path: Path) -> None:
    """PostgreSQL without fsync loses accepted mail with the power."""
    settings = clean_environment(DATABASE_URL=postgres.fresh_database(), BIND="127.0.0.1:1", DATA_DIR=str(tmp_path))
    migrated = mailsvc("migrate", "--json", environment=settings, directory=tmp_path)  # it sets up logging
    found = mailsvc_here("doctor", "--json", environment=settings).json["findings"]
    said = {f["check"]: f["said"] for f in found if f["level"] == "problem"}

    assert (migrated.code, migrated.json["before"]) == (0, None)
    assert "fsync off" in said["durability"]
    assert "no process delivers mail" in said["workers"]


def test_a_submission_that_can_not_be_taken_is_shown_and_dropped(shell: Shell, service: Service) -> None:
    with closing(sqlite3.connect(service.data_dir / "mailsvc.db", timeout=30)) as connection:
        sql = "INSERT INTO mailsvc_submission (draft) VALUES ('{\"to\": 5}') RETURNING id"
        (id_,) = connection.execute(sql).fetchone()
        connection.commit()
    wait_until(lambda: shell("submissions", "list", "--rejected", "--json").json_lines[0]["data"])
    listed, shown = shell("submissions", "list"), shell("submissions", "show", id_)
    assert id_ in listed.out and "rejected" in listed.out
    assert '{"to": 5}' in shown.out and "error" in shown.out
    assert "rejected" in shell("doctor").out
    assert shell("submissions", "retry", id_).code == 0
    assert shell("submissions", "drop", id_).out == f"{id_} is dropped.\n"
    assert shell("submissions", "show", id_).code == 1
