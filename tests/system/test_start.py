"""Starting and stopping: what is told, to whom, and that every process may start at any time."""

import base64
import fcntl
import os
import signal
import socketserver
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select, update

from mailsvc.service.bootstrap import bootstrap, open_vault
from mailsvc.service.secretfiles import kept_secret
from mailsvc.settings import BadSetting, Settings
from mailsvc.store.database import Database
from mailsvc.store.tables import api_key, app, relay, webhook
from tests.support.postgres import free_port
from tests.support.service import Service

RunService = Callable[..., Service]
RELAY = "smtp://user:password@127.0.0.1:9"


def test_a_sandbox_is_told_only_where_mail_goes_there(run_service: RunService) -> None:
    """Also a relay that was added by the API is a relay; and the key is shown by the start that made it."""
    service = run_service()
    told = wait_for_log(service, "Send a first message")
    with service.client() as client:
        client.post("/v1/relays", json={"name": "real", "host": "127.0.0.1", "port": 9}).raise_for_status()
    service.terminate()
    service.log_path.write_text("")
    service.start()
    again = wait_for_log(service, '"ready"')
    time.sleep(0.3)

    assert (service.api_key in told, "SANDBOX" in told) == (True, True)
    assert (service.api_key in again, "SANDBOX" in service.log()) == (False, False)


def test_a_name_may_be_bound(run_service: RunService) -> None:
    """localhost is an address as good as its number."""
    port = free_port()
    service = run_service(port=port, bind=f"localhost:{port}")

    assert f"http://localhost:{port}" in wait_for_log(service, '"ready"')


def test_the_first_key_is_shown_with_a_relay_too(run_service: RunService) -> None:
    """Whoever starts with a relay needs a key as much as a newcomer."""
    service = run_service(relay_url=RELAY)

    assert service.api_key in wait_for_log(service, "Your API key")
    assert "SANDBOX" not in service.log()


def test_a_stop_while_it_prepares_leaves_nobody_behind(run_service: RunService, own_host_is_busy: None) -> None:
    """Not even the process that brings the tables up."""
    service = run_service(start=False).start(wait=False)
    deadline = time.monotonic() + 20
    while len(service.processes()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    everybody = service.processes()
    assert service.first is not None
    service.first.send_signal(signal.SIGTERM)
    service.first.wait(5)
    _, alive = psutil.wait_procs(everybody, timeout=2)

    assert alive == []


def test_a_stop_just_when_the_api_begins_is_heard(run_service: RunService) -> None:
    """A signal in its first moments is not swallowed, to be followed by ten seconds of waiting."""
    service = run_service(start=False).start(wait=False)
    assert service.first is not None
    first, deadline = psutil.Process(service.first.pid), time.monotonic() + 20
    while not any(child.name() == "mailsvc-api" for child in first.children()):
        assert time.monotonic() < deadline
        time.sleep(0.001)

    assert service.terminate(seconds=5) == 0


@pytest.fixture
def own_host_is_busy(tmp_path: Path) -> Iterator[None]:
    """Somebody else migrates the database of the service, and takes a while."""
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "mailsvc.db.migrate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("roles", [None, "deliver"])
def test_a_second_signal_does_not_wait_for_a_relay_that_hangs(
    run_service: RunService, hanging: "HangingRelay", roles: str | None
) -> None:
    """The first lets the transaction under way finish; the second ends all at once, with or without the API."""
    service = run_service(roles=roles and "api", relay_url=hanging.url)
    working = service
    if roles:
        working = run_service(start=False, roles=roles, relay_url=hanging.url).start(wait=False)
        wait_for_log(working, '"ready"')
    with service.client() as client:
        client.post("/v1/messages", json={"from": "a@app.test", "to": "b@c.test", "text": "x"}).raise_for_status()
    assert hanging.reached.wait(20), working.log()
    everybody, began = working.processes(), time.monotonic()
    assert working.first is not None
    working.first.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert working.first.poll() is None
    working.first.send_signal(signal.SIGTERM)
    working.first.wait(5)
    _, alive = psutil.wait_procs(everybody, timeout=5)

    assert (alive, time.monotonic() - began < 4) == ([], True)


class HangingRelay(socketserver.ThreadingTCPServer):
    """Takes everything up to the final dot, and never answers that."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hang)
        self.url = f"smtp://127.0.0.1:{self.server_address[1]}?tls=none"
        self.reached = threading.Event()
        self.over = threading.Event()


class _Hang(socketserver.StreamRequestHandler):
    server: HangingRelay

    def handle(self) -> None:
        self.wfile.write(b"220 hello\r\n")
        for line in self.rfile:
            if line.startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.server.reached.set()
                self.server.over.wait(60)
                return
            self.wfile.write(b"250 fine\r\n")


@pytest.fixture
def hanging() -> Iterator[HangingRelay]:
    with HangingRelay() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_many_first_starts_at_once_make_one_of_everything(
    tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    """Hosts of a cluster are started together."""
    url = request.getfixturevalue("postgres").fresh_database() if database == "postgresql" else ""
    settings = Settings(
        data_dir=tmp_path / "data", database_url=url, relay_url=RELAY, webhook_url="http://127.0.0.1:9/hook"
    )
    with ThreadPoolExecutor(6) as pool:
        keys = [start.new_key for start in pool.map(lambda _: bootstrap(settings), range(6))]
    store = Database(settings.database, pool_size=1)
    with store.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (app, api_key, relay, webhook)
        ]
    store.close()

    assert (counts, sum(key is not None for key in keys)) == ([1, 1, 1, 1], 1)


def test_what_settings_made_follows_them_at_each_start(tmp_path: Path) -> None:
    """Whatever was changed in between; a manual pause stays."""
    settings = Settings(data_dir=tmp_path, relay_url=RELAY, webhook_url="http://127.0.0.1:9/hook")
    bootstrap(settings)
    store = Database(settings.database, pool_size=1)
    with store.write() as connection:
        connection.execute(update(relay).values(enabled=False, is_default=False, paused=True))
        connection.execute(update(webhook).values(enabled=False, events='["message.sent"]', url="http://x.test/"))
    bootstrap(settings)
    with store.read() as connection:
        account = connection.execute(select(relay)).one()
        endpoint = connection.execute(select(webhook)).one()
    store.close()

    assert (account.name, account.enabled, account.is_default, account.paused) == ("default", True, True, True)
    assert (endpoint.url, endpoint.enabled, endpoint.events) == (settings.webhook_url, True, '["*"]')


def test_a_secret_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash while it is written must not leave an empty file, which no later start could use."""
    path = tmp_path / "api-key"

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        kept_secret(path, lambda: "first")
    monkeypatch.undo()

    assert (kept_secret(path, lambda: "second"), kept_secret(path, lambda: "third")) == (
        ("second", True),
        ("second", False),
    )
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("second\n", 0o600)


@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"\xff\n", "restore it")])
def test_a_damaged_secret_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    """It names the file, not the database."""
    settings = Settings(data_dir=tmp_path)
    (tmp_path / "secret-key").write_bytes(content)

    with pytest.raises(BadSetting, match=f"secret-key.*{said}"):
        bootstrap(settings)


def wait_for_log(service: Service, text: str) -> str:
    deadline = time.monotonic() + 20
    while text not in service.log():
        assert time.monotonic() < deadline, service.log()
        time.sleep(0.05)
    return service.log()


def test_the_file_of_a_webhooks_secret_follows_a_rotation(tmp_path: Path) -> None:
    """Who reads it there would refuse every post."""
    settings = Settings(data_dir=tmp_path, relay_url=RELAY, webhook_url="http://127.0.0.1:9/hook")
    bootstrap(settings)
    database, rotated = Database(settings.database), "whsec_" + base64.b64encode(b"n" * 32).decode()
    with database.write() as connection:
        connection.execute(update(webhook).values(secret=open_vault(settings).encrypt(rotated)))
    database.close()
    bootstrap(settings)

    assert (tmp_path / "webhook-secret").read_text().strip() == rotated


def test_a_start_that_finds_its_port_taken_changes_nothing(run_service: RunService) -> None:
    """Who types it twice must not turn the mail of the first to nowhere."""
    service = run_service()
    service.see_one_through()
    with service.client() as client:
        before = client.get("/v1/relays").json()["data"]
        second = subprocess.run(
            [sys.executable, "-m", "mailsvc", "serve"],
            env=service.environment() | {"MAILSVC_RELAY_URL": "smtp://127.0.0.1:1?tls=none"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert (second.returncode, "can't be used: Address already in use" in second.stderr) == (2, True)
        assert client.get("/v1/relays").json()["data"] == before
    service.see_one_through()


def test_the_sandbox_is_left_when_there_is_a_relay_and_nothing_waits_for_it(run_service: RunService) -> None:
    """What was accepted for it still goes to it, and to nobody else."""
    service = run_service()
    with service.client() as client:
        letter = {"from": "a@app.test", "to": "defer@sandbox.test", "text": "Hi"}
        client.post("/v1/messages", json=letter).raise_for_status()
        service.wait_for_events(lambda got: any(e["type"] == "message.deferred" for e in got))
    service.terminate()
    service.configure(relay_url="smtp://127.0.0.1:1?tls=none")
    service.start()
    with service.client() as client:
        relays = {r["name"]: r["enabled"] for r in client.get("/v1/relays").json()["data"]}
        (message,) = client.get("/v1/messages").json()["data"]
        assert (relays, message["relay"]) == ({"default": True, "sandbox": True}, "sandbox")
        client.post(f"/v1/messages/{message['id']}/cancel").raise_for_status()
    service.terminate()
    service.start()
    with service.client() as client:
        relays = {r["name"]: r["enabled"] for r in client.get("/v1/relays").json()["data"]}
    assert relays == {"default": True, "sandbox": False}
