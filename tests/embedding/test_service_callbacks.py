"""Callbacks of an embedded service: what became of a mail, told to a function of the same program."""

import asyncio
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsvc.callbacks.event import Event
from mailsvc.embedding import Service
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.service.bootstrap import bootstrap
from mailsvc.settings import Settings
from mailsvc.store.database import Database
from tests.support.host import Host
from tests.support.postgres import free_port
from tests.support.receiver import Receiver
from tests.support.sending import send_by_api
from tests.support.waiting import wait_until

MakeService = Callable[..., Service]
EVENTS, KILLS = 120, 6


def test_a_program_is_told_what_became_of_its_mail(make_service: MakeService, receiver: Receiver) -> None:
    """By a function in a thread, and by a coroutine function that is registered after the start."""
    bind = f"127.0.0.1:{free_port()}"
    service = make_service(roles=("api", "deliver", "notify"), bind=bind, relay_url=receiver.relay_url)
    told: list[tuple[str, str, str]] = []

    @service.on("message.sent", name="sent")
    def sent(event: Event) -> None:
        told.append((event.type, event.data["recipient"], event.app))

    async def everything(event: Event) -> None:
        await asyncio.sleep(0)
        told.append(("async", event.id, event.raw["type"]))

    service.start()
    service.on("*", handler=everything, name="all", start="beginning")
    send_by_api(bind, service.settings.data_dir)
    wait_until(lambda: len(told) == 3)

    assert ("message.sent", "alice@example.test", "default") in told
    assert {type_ for how, _, type_ in told if how == "async"} == {"message.queued", "message.sent"}


def test_a_name_is_registered_once_and_needs_its_role(make_service: MakeService) -> None:
    service, silent = make_service(), make_service("other", roles=("deliver",))
    service.on("*", handler=print, name="shop")

    with pytest.raises(ValueError, match="already"):
        service.on("*", handler=print, name="shop")
    with pytest.raises(ValueError, match="role notify"):
        silent.on("*", handler=print, name="shop")
    with pytest.raises(LookupError, match="no callback"):
        service.skip("shop", "evt_1")


def test_stop_waits_for_a_handler_and_repeats_one_that_it_cut_off(make_service: MakeService) -> None:
    service = make_service()
    calls: list[str] = []
    entered, may_return = threading.Event(), threading.Event()

    @service.on("*", name="shop", start="beginning")
    def slow(event: Event) -> None:
        calls.append(event.id)
        entered.set()
        may_return.wait(30)

    service.start()
    _tell(service.settings, 1)
    assert entered.wait(30)
    assert service.stop(0.2) is False
    may_return.set()
    service.start()
    wait_until(lambda: len(calls) == 2)
    assert service.stop() is True

    assert calls[0] == calls[1]


SHOP = """
service = Service(Settings(data_dir=Path(sys.argv[1])), roles=("notify",))
log = open(sys.argv[2], "a", buffering=1)

@service.on("*", name="shop", start="beginning")
def shop(event):
    log.write(event.id + "\\n")

service.start()
say("ready")
sys.stdin.read()
"""


def test_no_event_is_missed_however_often_the_program_is_killed(tmp_path: Path, run_host: Callable[..., Host]) -> None:
    """Each is handled, in the feed's order; only what was in hand at a kill comes again."""
    settings, heard = Settings(data_dir=tmp_path / "data"), tmp_path / "heard"
    bootstrap(settings)
    heard.touch()
    ids, chance = [], random.Random(7)  # noqa: S311 - when to kill
    for _ in range(KILLS):
        ids += _tell(settings, EVENTS // KILLS)
        before = len(heard.read_text().splitlines())
        host = run_host(SHOP, settings.data_dir, heard)
        wait_until(lambda: len(heard.read_text().splitlines()) > before + chance.randrange(3))
        host.kill9()
    run_host(SHOP, settings.data_dir, heard)
    wait_until(lambda: heard.read_text().splitlines()[-1:] == ids[-1:])

    calls = heard.read_text().splitlines()
    assert list(dict.fromkeys(calls)) == ids
    assert len(calls) < len(ids) + KILLS * 60


def _tell(settings: Settings, count: int) -> list[str]:
    """Append so many events to the feed of the first app. Returns their ids."""
    database = Database(settings.database, pool_size=1)
    with database.write() as connection:
        app_id = connection.exec_driver_sql("SELECT id FROM mailsvc_app").scalar_one()
        new = [NewEvent(app_id, "relay.paused", {}) for _ in range(count)]
        append_events(connection, new, now=database.now())
    database.close()
    return [item.id for item in new]
