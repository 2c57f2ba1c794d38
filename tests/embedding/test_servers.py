"""Web servers whose worker processes each embed a service: gunicorn, uvicorn. Each process is a worker of the cluster."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.host import Host
from tests.support.postgres import free_port
from tests.support.receiver import Receiver
from tests.support.sending import send_by_api
from tests.support.service import Service as Serving
from tests.support.waiting import wait_until

RunHost = Callable[..., Host]
RunService = Callable[..., Serving]

# Every request tells of the service in the process that answers it.
_APP = """
import json, signal, threading

data, relay_url, url = Path({data!r}), {relay_url!r}, {url!r}
service = Service(Settings(data_dir=data, relay_url=relay_url, database_url=url), roles=("deliver", "notify", "upkeep"))

def told():
    return json.dumps({{"pid": os.getpid(), "running": service.is_running, "ready": service.is_ready}}).encode()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json"), ("Connection", "close")])
    return [told()]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            service.start() if kind == "lifespan.startup" else service.stop()
            await send({{"type": f"{{kind}}.complete"}})
            if kind == "lifespan.shutdown":
                return
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]}})
    await send({{"type": "http.response.body", "body": told()}})
"""
_AT_IMPORT = "service.start()\n"
_AFTER_FORK = """
def post_worker_init(worker):
    import host
    host.service.start()
"""


def answers(port: int) -> dict[int, dict[str, Any]]:
    """What the processes say that answer some requests, by their ids."""
    found = {}
    for _ in range(10):
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=5).json()
            found[answer["pid"]] = answer
        except httpx.HTTPError:
            continue
    return found


def all_ready(port: int, count: int) -> bool:
    found = answers(port)
    return len(found) == count and all(answer["ready"] for answer in found.values())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A database's URL; empty for the embedded one."""
    return str(request.getfixturevalue("postgres").fresh_database()) if request.param == "postgresql" else ""


@pytest.fixture
def api(run_service: RunService, url: str) -> Serving:
    """Where mail comes in; others deliver it."""
    return run_service(roles="api", **({"database_url": url} if url else {}))


def gunicorn(run_host: RunHost, tmp_path: Path, script: str, port: int, *options: str, config: str = "") -> Host:
    """Two workers of gunicorn."""
    (tmp_path / "gunicorn.conf.py").write_text(config)
    return run_host(
        script,
        command=[
            *(sys.executable, "-m", "gunicorn", "host:app", "--workers", "2", "--bind", f"127.0.0.1:{port}"),
            *("--config", str(tmp_path / "gunicorn.conf.py"), "--graceful-timeout", "10", *options),
        ],
    )


@pytest.mark.parametrize("is_preloaded", [False, True])
def test_each_worker_of_gunicorn_is_a_worker_of_the_cluster(
    run_host: RunHost, api: Serving, receiver: Receiver, tmp_path: Path, url: str, is_preloaded: bool
) -> None:
    """One that is killed is replaced, and what it had is delivered by the others."""
    port, script = free_port(), _APP.format(data=str(api.data_dir), relay_url=receiver.relay_url, url=url)
    preloading = ("--preload",) if is_preloaded else ()
    begin = {"config": _AFTER_FORK} if is_preloaded else {}
    host = gunicorn(run_host, tmp_path, script + ("" if is_preloaded else _AT_IMPORT), port, *preloading, **begin)
    wait_until(lambda: all_ready(port, 2))
    send_by_api(f"127.0.0.1:{api.port}", api.data_dir, count=40)
    os.kill(min(answers(port)), signal.SIGKILL)
    send_by_api(f"127.0.0.1:{api.port}", api.data_dir, count=40)
    wait_until(lambda: receiver.received().total() >= 80)
    wait_until(lambda: all_ready(port, 2))
    host.process.send_signal(signal.SIGTERM)

    assert host.end() == 0
    assert len(receiver.received()) == 80
    assert "Traceback" not in host.log()
    assert not list((api.data_dir / "workers").glob("[!.]*"))  # nobody works any more


def test_a_service_started_in_the_master_stays_in_the_master(
    run_host: RunHost, api: Serving, receiver: Receiver, tmp_path: Path, url: str
) -> None:
    port, script = free_port(), _APP.format(data=str(api.data_dir), relay_url=receiver.relay_url, url=url)
    host = gunicorn(run_host, tmp_path, script + _AT_IMPORT, port, "--preload")
    wait_until(lambda: len(answers(port)) == 2)
    send_by_api(f"127.0.0.1:{api.port}", api.data_dir, count=5)
    wait_until(lambda: receiver.received().total() == 5)

    assert not any(answer["running"] for answer in answers(port).values())
    host.process.send_signal(signal.SIGTERM)
    assert host.end() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_uvicorn_starts_and_stops_it_with_the_lifespan(
    run_host: RunHost, api: Serving, receiver: Receiver, url: str, workers: int
) -> None:
    port, script = free_port(), _APP.format(data=str(api.data_dir), relay_url=receiver.relay_url, url=url)
    command = [sys.executable, "-m", "uvicorn", "host:asgi", "--port", str(port), "--workers", str(workers)]
    host = run_host(script, command=command)
    wait_until(lambda: all_ready(port, workers))
    send_by_api(f"127.0.0.1:{api.port}", api.data_dir, count=5)
    wait_until(lambda: receiver.received().total() == 5)
    host.process.send_signal(signal.SIGINT)
    host.end()

    assert "Traceback" not in host.log()
    assert not list((api.data_dir / "workers").glob("[!.]*"))
