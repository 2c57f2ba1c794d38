"""A program that forks with a service inside: the child has nothing of it, and can start its own."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailsvc.embedding import Service
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from tests.support.host import Host
from tests.support.postgres import free_port
from tests.support.queuecheck import wait_until_done
from tests.support.receiver import Receiver
from tests.support.sending import send_by_api
from tests.support.waiting import wait_until

RunHost = Callable[..., Host]

# The child tells what it has, and ends with the word that the parent is told; the parent lives until it is killed.
_FORKING = """
import signal

def of_service():
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    return {link for link in found if link.startswith(("socket:", "anon_inode", str(data))) or "mailsvc" in link}

data, bind, relay_url, url = Path(sys.argv[1]), *sys.argv[2:5]
before = of_service()
service = Service(
    Settings(data_dir=data, bind=bind, relay_url=relay_url, database_url=url, lease_seconds=3600),
    roles=("api", "deliver", "ingest", "notify", "intake", "upkeep"),
)
service.start()
say("started", len(of_service() - before) > 10)
sys.stdin.readline()
child = os.fork()
if child:
    say("parent", service.is_ready, service.status()["status"])
    signal.pause()
say("child", service.is_running, service.is_ready, service.stop(), sorted(of_service() - before), service.metrics() == "")
sys.stdin.readline()
service.start()
say("child started", service.is_ready, service.name.split("/")[1] == str(os.getpid()))
signal.pause()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A database's URL; empty for the embedded one."""
    return str(request.getfixturevalue("postgres").fresh_database()) if request.param == "postgresql" else ""


@pytest.fixture
def silent_relay() -> Iterator[str]:
    """A relay that accepts connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"smtp://127.0.0.1:{server.getsockname()[1]}"


def lines(host: Host, count: int) -> dict[str, str]:
    """Its next lines, by their first word: parent and child speak in any order."""
    spoken = [host.line() for _ in range(count)]
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in spoken}


def test_a_forked_child_has_nothing_of_the_service_and_can_start_it(
    run_host: RunHost, receiver: Receiver, tmp_path: Path, url: str
) -> None:
    data, bind = tmp_path / "data", f"127.0.0.1:{free_port()}"
    host = run_host(_FORKING, data, bind, receiver.relay_url, url)
    assert host.line() == "started True"
    send_by_api(bind, data)
    wait_until(lambda: receiver.received().total() == 1)  # there is an idle connection to the relay now
    host.tell()
    said = lines(host, 2)

    assert said["parent"] == "True ready"
    assert said["child"] == "False False True [] True"
    send_by_api(bind, data)  # the parent's, which goes on
    wait_until(lambda: receiver.received().total() == 2)
    host.kill9()
    host.tell()
    assert host.line() == "child started True True"
    send_by_api(bind, data)
    wait_until(lambda: receiver.received().total() == 3)


def test_a_child_that_lives_on_keeps_no_lock_of_its_dead_parent(
    run_host: RunHost, receiver: Receiver, silent_relay: str, tmp_path: Path, url: str
) -> None:
    """Another worker takes up at once what the parent had claimed, whose lease would last for an hour."""
    data, bind = tmp_path / "data", f"127.0.0.1:{free_port()}"
    host = run_host(_FORKING, data, bind, silent_relay, url)
    assert host.line() == "started True"
    send_by_api(bind, data)
    database = Database(url or f"sqlite:///{data / 'mailsvc.db'}")
    wait_until(lambda: is_leased(database))
    host.tell()
    assert len(lines(host, 2)) == 2
    host.kill9()
    settings = Settings(data_dir=data, relay_url=receiver.relay_url, database_url=url, lease_seconds=3600)
    with Service(settings, roles=("deliver",)):
        wait_until(lambda: receiver.received().total() == 1)
        wait_until_done(database)
    database.close()


# It forks while it sends, as hosts do that recycle their processes; a few children start services of their own.
_BUSY = """
data, bind, relay_url, url = Path(sys.argv[1]), *sys.argv[2:5]
settings = Settings(data_dir=data, bind=bind, relay_url=relay_url, database_url=url)
service = Service(settings, roles=("api", "deliver", "notify", "intake", "upkeep"))
inner = Service(settings, roles=("deliver", "intake"))
service.start()
say("started")
forks = 0
for word in sys.stdin:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if forks % 5 == 0:
                inner.start()
                assert inner.is_ready and inner.stop()
            assert not service.is_running
            code = 0
        finally:
            os._exit(code)
    forks += 1
    say("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
say("stopped", service.stop())
"""


def test_forks_in_the_middle_of_work_harm_nothing(
    run_host: RunHost, receiver: Receiver, tmp_path: Path, url: str
) -> None:
    data, bind = tmp_path / "data", f"127.0.0.1:{free_port()}"
    host = run_host(_BUSY, data, bind, receiver.relay_url, url)
    assert host.line() == "started"
    for _ in range(30):
        send_by_api(bind, data, count=5)
        host.tell("fork")
        assert host.line() == "child 0", host.log()
    wait_until(lambda: receiver.received().total() >= 150)
    assert host.process.stdin is not None
    host.process.stdin.close()
    assert host.line() == "stopped True"

    assert receiver.received().total() == 150
    assert set(receiver.received().values()) == {1}
    database = Database(url or f"sqlite:///{data / 'mailsvc.db'}")
    wait_until_done(database)
    if not url:
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    database.close()


def is_leased(database: Database) -> bool:
    """Whether a delivery is being sent."""
    with database.read() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM mailsvc_delivery WHERE status = 'sending'")
        return bool(count.scalar())
