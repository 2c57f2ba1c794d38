"""The sandbox where several processes use one database: whoever runs it may end, and the others deliver again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mailsvc.embedding import Service
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from tests.support.host import Host
from tests.support.queuecheck import wait_until_done
from tests.support.sending import send_by_api
from tests.support.service import Service as Serving

RunHost = Callable[..., Host]
RunService = Callable[..., Serving]

_HOST = """
import signal
service = Service(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))
service.start()
say("started")
signal.pause()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database outside of the data directories."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres").fresh_database())
    return f"sqlite:///{tmp_path / 'shared.db'}"


def see_through(api: Serving, url: str, to: str = "ok@sandbox.test") -> None:
    """Send some messages, and wait until all are delivered."""
    send_by_api(f"127.0.0.1:{api.port}", api.data_dir, count=5, to=to)
    database = Database(url)
    wait_until_done(database)
    with database.read() as connection:
        statuses = connection.exec_driver_sql("SELECT DISTINCT status FROM mailsvc_delivery").scalars().all()
    database.close()
    assert statuses == ["sent"]


@pytest.mark.parametrize("shares_directory", [True, False])
def test_whoever_started_last_may_end(
    run_service: RunService, run_host: RunHost, tmp_path: Path, url: str, shares_directory: bool
) -> None:
    """Three processes on a database: ``mailsvc serve``, and two programs with a service inside."""
    serving = run_service(database_url=url)
    see_through(serving, url)
    directories = [serving.data_dir if shares_directory else tmp_path / f"data-{n}" for n in range(2)]
    for directory in directories:
        if not shares_directory:
            directory.mkdir()
            (directory / "secret-key").write_bytes((serving.data_dir / "secret-key").read_bytes())
    hosts = [run_host(_HOST, directory, url) for directory in directories]
    assert [host.line() for host in hosts] == ["started", "started"]
    see_through(serving, url)
    hosts[1].kill9()
    see_through(serving, url)
    hosts[0].kill9()
    see_through(serving, url)


def test_the_one_that_ran_it_may_end(run_service: RunService, run_host: RunHost, url: str) -> None:
    """The others of its data directory take its place."""
    api = run_service(roles="api", database_url=url)
    first = run_host(_HOST, api.data_dir, url)
    assert first.line() == "started"
    second = run_host(_HOST, api.data_dir, url)
    assert second.line() == "started"
    see_through(api, url)
    first.kill9()
    see_through(api, url)
    with Service(Settings(data_dir=api.data_dir, database_url=url)):
        see_through(api, url)
        second.kill9()
        see_through(api, url)


def test_the_api_of_a_process_finds_the_sandbox_of_another(
    run_service: RunService, run_host: RunHost, url: str
) -> None:
    api = run_service(roles="api", database_url=url)
    assert run_host(_HOST, api.data_dir, url).line() == "started"
    with api.client() as client:
        (relay,) = client.get("/v1/relays").json()["data"]
        assert client.post(f"/v1/relays/{relay['id']}/check").json()["ok"]
        (mailbox,) = client.get("/v1/mailboxes").json()["data"]
        assert client.post(f"/v1/mailboxes/{mailbox['id']}/check").json()["ok"]
