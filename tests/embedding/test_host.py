"""What the program that embeds a service keeps for itself, and how it ends."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.host import Host
from tests.support.postgres import free_port
from tests.support.receiver import Receiver
from tests.support.sending import send_by_api
from tests.support.waiting import wait_until

RunHost = Callable[..., Host]

_TOUCHES = """
import asyncio, gc, json, locale, logging, resource, signal, warnings
import prometheus_client

def state():
    umask = os.umask(0o022)
    os.umask(umask)
    loggers = {
        name: (logger.level, logger.propagate, logger.disabled, [str(handler) for handler in logger.handlers])
        for name, logger in logging.Logger.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and not name.startswith("mailsvc")
        and (logger.level or logger.disabled or not logger.propagate
             or any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers))
    }
    return {
        "signals": [str(signal.getsignal(number)) for number in range(1, 32)],
        "mask": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "wakeup": signal.set_wakeup_fd(-1),
        "root": (logging.root.level, [str(handler) for handler in logging.root.handlers]),
        "loggers": loggers,
        "loop": asyncio.events._get_event_loop_policy() if hasattr(asyncio.events, "_get_event_loop_policy")
                else str(asyncio.get_event_loop_policy()._local.__dict__),
        "limits": [resource.getrlimit(kind) for kind in range(resource.RLIMIT_NLIMITS)]
                  if hasattr(resource, "RLIMIT_NLIMITS") else [resource.getrlimit(resource.RLIMIT_NOFILE)],
        "gc": (gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()),
        "umask": umask,
        "cwd": os.getcwd(),
        "environ": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "warnings": [str(entry) for entry in warnings.filters],
        "showwarning": str(warnings.showwarning),
        "collectors": sorted(map(str, prometheus_client.REGISTRY._names_to_collectors)),
        "streams": (id(sys.stdout), id(sys.stderr), id(sys.stdin)),
        "hooks": (str(sys.excepthook), str(sys.unraisablehook)),
        "scheduler": os.sched_getscheduler(0),
        "name": Path("/proc/self/comm").read_text(),
    }

before = state()
data, bind, relay_url = Path(sys.argv[1]), *sys.argv[2:4]
service = Service(
    Settings(data_dir=data, bind=bind, relay_url=relay_url),
    roles=("api", "deliver", "ingest", "notify", "intake", "upkeep"),
)
service.start()
say("started")
sys.stdin.readline()
service.metrics()
during = state()
children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
say("stopped", service.stop())
after = state()
for name in before:
    for now in (during, after):
        if now[name] != before[name]:
            say(name, before[name], now[name])
say("children", children)
"""


def test_nothing_of_the_program_is_touched(run_host: RunHost, receiver: Receiver, tmp_path: Path) -> None:
    data, bind = tmp_path / "data", f"127.0.0.1:{free_port()}"
    host = run_host(_TOUCHES, data, bind, receiver.relay_url)
    assert host.line() == "started"
    send_by_api(bind, data)
    wait_until(lambda: receiver.received().total() == 1)
    host.tell()

    assert host.line() == "stopped True"
    assert host.line() == "children []"
    assert host.end() == 0
    assert host.log() == ""


_WITHOUT_LOGGING = """
service = Service(Settings(data_dir=Path(sys.argv[1])))
service.start()
service.stop()
"""


def test_nothing_is_printed_where_the_program_has_no_logging(run_host: RunHost, tmp_path: Path) -> None:
    """Not even what is logged as a warning: that there is no relay."""
    host = run_host(_WITHOUT_LOGGING, tmp_path / "data")
    assert host.end() == 0
    assert host.log() == ""


_LOGGING = "import logging; logging.basicConfig(level=logging.INFO)\n" + _WITHOUT_LOGGING


def test_the_program_s_logging_shows_that_there_is_no_relay(run_host: RunHost, tmp_path: Path) -> None:
    host = run_host(_LOGGING, tmp_path / "data")
    assert host.end() == 0
    assert "WARNING:mailsvc:no relay is configured" in host.log()


_ENDS = """
data, bind, relay_url = Path(sys.argv[1]), *sys.argv[2:4]
service = Service(Settings(data_dir=data, bind=bind, relay_url=relay_url), roles=("api", "deliver", "ingest", "notify", "intake", "upkeep"))
service.start()
say("started")
word = sys.stdin.readline().strip()
if word == "raise":
    raise RuntimeError("of the program")
if word == "exit":
    sys.exit(3)
if word == "thread":
    import threading
    threading.Thread(target=lambda: (sys.stdin.readline(), say("thread ends", service.is_ready))).start()
"""


@pytest.mark.parametrize(("word", "code", "said"), [("end", 0, ""), ("exit", 3, ""), ("raise", 1, "of the program")])
def test_a_program_ends_with_a_service_that_nobody_stopped(
    run_host: RunHost, receiver: Receiver, tmp_path: Path, word: str, code: int, said: str
) -> None:
    """What it had is recorded, and no traceback but the program's own is printed."""
    data, bind = tmp_path / "data", f"127.0.0.1:{free_port()}"
    host = run_host(_ENDS, data, bind, receiver.relay_url)
    assert host.line() == "started"
    send_by_api(bind, data, count=50)
    host.tell(word)

    assert host.end() == code
    assert host.log().count("Traceback") == bool(said)
    assert said in host.log()
    assert not list((data / "workers").iterdir())
    assert not list((data / "journal").iterdir())
    assert set(receiver.received().values()) <= {1}


def test_the_service_works_while_threads_of_the_program_outlast_its_main_thread(
    run_host: RunHost, receiver: Receiver, tmp_path: Path
) -> None:
    data, bind = tmp_path / "data", f"127.0.0.1:{free_port()}"
    host = run_host(_ENDS, data, bind, receiver.relay_url)
    assert host.line() == "started"
    host.tell("thread")
    send_by_api(bind, data, count=20)
    wait_until(lambda: receiver.received().total() == 20)
    host.tell()

    assert host.line() == "thread ends True"
    assert host.end() == 0
    assert host.log() == ""


_LOCKED = """
import sqlite3
data = Path(sys.argv[1])
service = Service(Settings(data_dir=data))
service.start()
holding = sqlite3.connect(data / "mailsvc.db", isolation_level=None, check_same_thread=False)
holding.execute("BEGIN IMMEDIATE")
say("started")
"""


def test_a_program_ends_though_its_database_hangs(run_host: RunHost, tmp_path: Path) -> None:
    host = run_host(_LOCKED, tmp_path / "data")
    assert host.line() == "started"

    assert host.end() == 0
    assert "Traceback" not in host.log()


_GREEN = """
import types
monkey = types.ModuleType("gevent.monkey")
monkey.is_module_patched = lambda name: True
sys.modules["gevent.monkey"] = monkey
from mailsvc.errors import SettingsError
service = Service(Settings(data_dir=Path(sys.argv[1])))
try:
    service.start()
except SettingsError as error:
    say(error)
Service(Settings(data_dir=Path(sys.argv[1])), roles=()).start()
say("without roles")
"""


def test_green_threads_are_refused(run_host: RunHost, tmp_path: Path) -> None:
    """With stand-ins for gevent, which is not installed here: the module that says what is patched."""
    host = run_host(_GREEN, tmp_path / "data")

    assert host.line().startswith("gevent's monkey-patching is not supported")
    assert host.line() == "without roles"
    assert host.end() == 0
