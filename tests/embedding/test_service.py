"""An embedded service: started, asked how it is, stopped, and started again."""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailsvc.api.auth import Access
from mailsvc.cli import _mailsvc as main_group
from mailsvc.embedding import Service
from mailsvc.errors import SettingsError, TablesMissing, Unavailable
from mailsvc.settings import Settings
from tests.support.postgres import Postgres, free_port
from tests.support.receiver import Receiver
from tests.support.sending import send_by_api
from tests.support.waiting import wait_until

MakeService = Callable[..., Service]


def threads_of_mailsvc() -> set[str]:
    names = (thread.name for thread in threading.enumerate())
    return {name for name in names if name.startswith(("mailsvc", "result-writer", "delivery"))}


def nothing_runs(service: Service) -> bool:
    wait_until(lambda: not threads_of_mailsvc())
    return not service.is_running and not service.is_ready


def test_it_is_ready_when_start_returns_and_nothing_is_left_when_stop_does(make_service: MakeService) -> None:
    service = make_service()

    service.start()
    service.start()  # does nothing

    assert service.is_running
    assert service.is_ready
    assert service.stop() is True
    assert service.stop() is True
    assert nothing_runs(service)


def test_it_can_be_started_again(make_service: MakeService) -> None:
    service = make_service()
    for _ in range(3):
        with service:
            assert service.is_ready
        assert nothing_runs(service)


def test_no_descriptor_is_left_after_the_end(make_service: MakeService) -> None:
    service = make_service(
        roles=("api", "deliver", "ingest", "notify", "intake", "upkeep"), bind=f"127.0.0.1:{free_port()}"
    )
    with service:
        pass
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with service:
            pass

    wait_until(lambda: not threads_of_mailsvc())
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_it_accepts_and_delivers(
    make_service: MakeService, receiver: Receiver, request: pytest.FixtureRequest, database: str
) -> None:
    """With the role api, on its own port."""
    bind = f"127.0.0.1:{free_port()}"
    url = request.getfixturevalue("postgres").fresh_database() if database == "postgresql" else ""
    service = make_service(roles=("api", "deliver"), bind=bind, relay_url=receiver.relay_url, database_url=url)
    with service:
        send_by_api(bind, service.settings.data_dir)
        wait_until(lambda: receiver.received().total() == 1)
        wait_until(lambda: 'result="sent"' in service.metrics())

    assert nothing_runs(service)


def test_its_status_is_that_of_the_readiness_check(make_service: MakeService) -> None:
    service = make_service(roles=("deliver",))
    assert service.status()["status"] == "not_ready"
    with service:
        assert service.status() == {
            "status": "ready",
            "checks": {"database": "ok", "migrations": "ok", "disk": "ok"},
            "name": service.name,
            "roles": ["deliver"],
            "pid": os.getpid(),
        }


def test_without_roles_nothing_runs_but_the_tables_are_made(make_service: MakeService) -> None:
    service = make_service(roles=())
    with service:
        assert service.is_running
        assert service.status()["status"] == "ready"
        wait_until(lambda: not threads_of_mailsvc())


def test_without_an_api_there_is_no_key(make_service: MakeService) -> None:
    with make_service() as service:
        assert not (service.settings.data_dir / "api-key").exists()


def test_two_services_share_nothing(make_service: MakeService, receiver: Receiver) -> None:
    binds = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    one, other = (
        make_service(f"data-{bind}", roles=("api", "deliver"), bind=bind, relay_url=receiver.relay_url)
        for bind in binds
    )
    with one, other:
        send_by_api(binds[0], one.settings.data_dir)
        wait_until(lambda: 'mailsvc_attempts_total{result="sent"' in one.metrics())

        assert 'mailsvc_messages_accepted_total{worker="api"} 1.0' in one.metrics()
        assert "mailsvc_attempts_total{" not in other.metrics()
        assert "mailsvc_messages_accepted_total{" not in other.metrics()
        assert one.stop()
        assert other.status()["status"] == "ready"


def test_two_services_of_one_database_are_two_workers(make_service: MakeService) -> None:
    with make_service() as one, make_service() as other:
        workers = [line for line in one.metrics().splitlines() if line.startswith("mailsvc_worker_info{")]
        assert one.name != other.name
        assert len(workers) == 2
        assert all(any(f'name="{service.name}"' in line for line in workers) for service in (one, other))
        assert one.stop()
        assert other.is_ready
        wait_until(lambda: other.metrics().count("mailsvc_worker_info{") == 1)


def test_a_name_of_its_own_is_shown(tmp_path: Path) -> None:
    with Service(Settings(data_dir=tmp_path), name="shop-1") as service:
        assert 'name="shop-1"' in service.metrics()


# What prevents a start


def test_missing_tables_are_told_where_they_are_not_to_be_made(make_service: MakeService) -> None:
    service = make_service(auto_migrate=False)
    with pytest.raises(TablesMissing, match="run mailsvc migrate"):
        service.start()
    assert nothing_runs(service)


def test_a_database_that_is_away_is_told(make_service: MakeService) -> None:
    service = make_service(database_url=f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none")
    with pytest.raises(Unavailable, match="can't be used"):
        service.start()
    assert nothing_runs(service)


def test_a_database_that_does_not_answer_in_time_is_told(make_service: MakeService) -> None:
    """What hangs ends by itself, as soon as it can."""
    service = make_service()
    with service:
        pass
    holding = sqlite3.connect(service.settings.data_dir / "mailsvc.db", isolation_level=None)
    holding.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(Unavailable, match="not ready within"):
            service.start(timeout=0.3)
        assert not service.is_running
    finally:
        holding.close()
    assert nothing_runs(service)
    service.start()
    assert service.is_ready


def test_a_port_that_is_taken_is_told(make_service: MakeService) -> None:
    bind = f"127.0.0.1:{free_port()}"
    with make_service("one", roles=("api",), bind=bind):
        other = make_service("other", roles=("api",), bind=bind)
        with pytest.raises(SettingsError, match="MAILSVC_BIND"):
            other.start()
        assert not other.is_running


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    service = Service(Settings(data_dir=tmp_path / "file" / "data"))
    with pytest.raises(SettingsError, match="MAILSVC_DATA_DIR"):
        service.start()
    assert nothing_runs(service)


def test_an_unknown_role_is_told() -> None:
    with pytest.raises(SettingsError, match="'delivery' is not a role"):
        Service(roles=("delivery",))


@pytest.mark.parametrize(
    "given",
    [
        {"bind": "nowhere"},
        {"bind": None},
        {"data_dir": 5},
        {"secret_key": b"0" * 32},
        {"database_url": "mysql://host/name"},
        {"relay_url": "ftp://relay.test"},
        {"mailbox_url": "box.test"},
        {"max_recipients": 0},
        {"rate_per_key": "often"},
    ],
)
def test_settings_are_checked_where_they_are_made(given: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=f"MAILSVC_{next(iter(given)).upper()} "):
        Settings(**given)  # type: ignore[arg-type]


def test_settings_do_not_show_their_secrets() -> None:
    """A host that logs its settings, or a traceback with local variables, tells no password."""
    secret = "s3cret-" * 6
    settings = Settings(
        api_key=secret,
        secret_key=secret,
        database_url=f"postgresql+psycopg://shop:{secret}@db.test/shop",
        listen_url=f"postgresql+psycopg://shop:{secret}@db.test/shop",
        relay_url=f"smtp://shop:{secret}@relay.test",
        mailbox_url=f"imaps://shop:{secret}@box.test",
        webhook_url=f"https://shop.test/hook?key={secret}",
        webhook_secret="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    )

    assert "s3cret" not in repr(settings)
    assert "whsec" not in repr(settings)


def test_texts_in_settings_are_those_of_the_environment() -> None:
    settings = Settings(data_dir="mail", rate_per_key="60/m", soft_bounce_limit="off")  # type: ignore[arg-type]
    assert (settings.data_dir, settings.rate_per_key, settings.soft_bounce_limit) == (Path("mail"), 1.0, None)


def test_the_environment_is_read_only_on_demand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILSVC_RELAY_URL", "smtp://relay.test")
    (tmp_path / "mailsvc.toml").write_text("lease_seconds = 30\n")

    assert Service().settings.relay_url is None
    assert Service().settings.lease_seconds == 60
    assert Service.from_env().settings.relay_url == "smtp://relay.test"
    assert Service.from_env({}).settings.lease_seconds == 30


def test_paths_stay_what_they_are_when_the_working_directory_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    service = Service(Settings(data_dir=Path("mail"), database_url="sqlite:///app.db"))
    monkeypatch.chdir("/")

    assert service.settings.data_dir == tmp_path / "mail"
    assert service.settings.database == f"sqlite:///{tmp_path}/app.db"


def test_postgresql_has_its_own_pool(make_service: MakeService, postgres: Postgres) -> None:
    with make_service(database_url=postgres.fresh_database()) as service:
        assert service.is_ready


def test_roles_are_several_names(make_service: MakeService) -> None:
    """One text would be taken letter by letter."""
    with pytest.raises(SettingsError, match=r"\('deliver',\)"):
        make_service(roles="deliver")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"\('send',\)"):
        Access(scopes="send")


def test_doctor_misses_no_api_where_the_service_is_inside_a_program(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service(bind=f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("MAILSVC_DATA_DIR", str(service.settings.data_dir))
    monkeypatch.setenv("MAILSVC_BIND", service.settings.bind)
    with service:
        inside = CliRunner().invoke(main_group, ["doctor"])
    without = CliRunner().invoke(main_group, ["doctor"])

    assert "service: runs inside a program" in inside.output
    assert "PROBLEM" in without.output
