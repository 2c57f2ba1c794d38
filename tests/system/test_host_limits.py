"""What the host allows and what else runs there: the service works within it, or says in a sentence what it needs."""

import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.postgres import free_port
from tests.support.rootserver import why_not
from tests.support.service import Service
from tests.support.shell import clean_environment, mailsvc

RunService = Callable[..., Service]
PLAIN = '{"from": "a@app.test", "to": "ok@sandbox.test", "text": "t"}'


def wait_for_log(service: Service, text: str) -> str:
    deadline = time.monotonic() + 20
    while text not in service.log():
        assert time.monotonic() < deadline, service.log()
        time.sleep(0.05)
    return service.log()


def test_too_few_files_stop_the_start(run_service: RunService) -> None:
    """Else every connection would be reset without a word."""
    service = run_service(start=False, wrapper=["prlimit", "--nofile=64:64"]).start(wait=False)
    assert service.first is not None

    assert service.first.wait(20) == 2
    assert "limit of open files is 64" in service.log()
    assert "Traceback" not in service.log()


def test_a_low_limit_that_may_be_raised_is(run_service: RunService) -> None:
    """The soft limit alone stops nobody."""
    run_service(wrapper=["prlimit", "--nofile=64:4096"]).see_one_through()


def test_a_database_elsewhere_is_for_its_owner_alone(run_service: RunService, tmp_path: Path) -> None:
    """Whatever the umask, and also where the file was there before with another mode."""
    file = tmp_path / "elsewhere" / "mail.db"
    file.parent.mkdir(mode=0o755)
    file.touch(mode=0o644)
    service = run_service(database_url=f"sqlite:///{file}", wrapper=["sh", "-c", 'umask 0000; exec "$@"', "sh"])
    service.see_one_through()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}

    assert {"mail.db", "mail.db-wal", "mail.db-shm"} <= modes.keys()
    assert {0o600} == set(modes.values())


def test_only_the_data_directory_need_be_writable(run_service: RunService, tmp_path: Path) -> None:
    """A read-only root, and nothing for temporary files: all works, the sandbox and large requests included."""
    if reason := why_not():
        pytest.skip(reason)
    (tmp_path / "data").mkdir(mode=0o700)
    steps = f"mount --make-rprivate / && mount --bind {tmp_path}/data {tmp_path}/data && mount -o remount,bind,ro /"
    confined = f"{steps}; mount -t tmpfs -o ro tmpfs /dev/shm; ! touch {tmp_path}/x /tmp/x 2>/dev/null"
    if subprocess.run(["unshare", "-m", "sh", "-c", confined], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    service = run_service(wrapper=["unshare", "-m", "sh", "-c", f'{confined} && exec "$@"', "sh"])
    service.see_one_through()
    with service.client() as client:
        large = {"from": "a@app.test", "to": "ok@sandbox.test", "text": "x" * 2_000_000}
        assert client.post("/v1/messages", json=large).status_code == 202


def test_two_on_one_data_directory_share_one_sandbox(run_service: RunService) -> None:
    """The second neither takes the first one's mail, nor leaves it nowhere when it ends; and takes over from it."""
    first = run_service()
    first.see_one_through()
    second = run_service(port=free_port(), bind=f"127.0.0.1:{free_port()}", start=False)
    second.configure(bind=f"127.0.0.1:{second.port}")
    second.start()
    second.see_one_through()
    second.terminate()
    first.see_one_through()
    second.start()
    first.terminate()
    second.see_one_through()


@pytest.mark.parametrize(("content", "mode", "said"), [("abc", 0o600, "shorter than"), ("x" * 40, 0o644, "can read")])
def test_a_weak_secret_is_named(run_service: RunService, tmp_path: Path, content: str, mode: int, said: str) -> None:
    """Whoever copied it there should know."""
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "api-key"
    file.write_text(content + "\n")
    file.chmod(mode)
    service = run_service()

    assert any(said in line and str(file) in line for line in service.log().splitlines())


def test_who_sends_no_more_gets_the_answer(run_service: RunService) -> None:
    """A client may close its half of the connection behind its request, as nc -N does."""
    service = run_service()
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_key}\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(PLAIN)}\r\n\r\n{PLAIN}"
    poll = f"GET /v1/events?after=now&wait=20 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_key}\r\n\r\n"
    answers = []
    for text in (request, poll, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as client:
            client.sendall(text.encode())
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while part := client.recv(4096):
                answer += part
            answers.append(answer[9:12])

    assert [b"202", b"200", b"200", b"400"] == answers


def test_wrong_keys_leave_a_line(run_service: RunService) -> None:
    """With the address, and one for many; never with the key."""
    service = run_service()
    with service.client() as client:
        for n in range(30):
            client.get("/v1/relays", headers={"Authorization": f"Bearer mk_wrong_{n}_sekret"})
    lines = [line for line in wait_for_log(service, "wrong API key").splitlines() if "wrong API key" in line]

    assert (len(lines), "127.0.0.1" in lines[0], "sekret" in service.log()) == (1, True, False)


def test_little_memory_costs_no_more_than_the_request(run_service: RunService) -> None:
    """503 and one line, no traceback; small requests go on."""
    service = run_service()
    service.see_one_through()
    for process in service.processes():
        if process.name() == "mailsvc-api":
            limit = process.memory_info().vms + 40 * 1024 * 1024
            subprocess.run(["prlimit", f"--pid={process.pid}", f"--as={limit}:{limit}"], check=True)
    body = '{"from": "a@app.test", "to": "ok@sandbox.test", "text": "%s"}' % ("x" * 20_000_000)
    with service.client() as client:
        answer = client.post("/v1/messages", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, "Traceback" in service.log()) == (503, False), service.log()
    service.see_one_through()


def test_the_doctor_of_a_remote_service_looks_at_nothing_here(run_service: RunService, tmp_path: Path) -> None:
    """No directory, no database: they are on another host."""
    service = run_service()
    environment = clean_environment(data_dir=str(tmp_path / "none"), api_key=service.api_key)
    said = mailsvc("doctor", "--url", service.url, environment=environment, directory=tmp_path)

    assert said.code == 0, said.out
    assert "directory" not in said.out


@pytest.mark.parametrize("option", ["sslmode=sekret", "sekret=x", "target_session_attrs=sekret"])
def test_a_database_that_cannot_be_used_is_told_without_secrets(tmp_path: Path, option: str) -> None:
    """Its driver quotes what it does not understand."""
    url = f"postgresql+psycopg://user:sekret@127.0.0.1:1/db?{option}"
    said = mailsvc("serve", environment=clean_environment(database_url=url), directory=tmp_path)

    assert (said.code, "MAILSVC_DATABASE_URL" in said.err) == (2, True), said.err
    assert "sekret" not in said.err
