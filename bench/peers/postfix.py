"""Postfix as a queueing relay: SMTP in on loopback, STARTTLS and AUTH out to the sink, all in its own directory."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import tlsfiles
from bench.children import free_port, started, wait_for_port
from bench.counters import PASSWORD, USERNAME, Counter, smtp_sink
from bench.figure import Figure, Run, Skipped
from bench.load.report import load
from bench.peers.measure import Window, conclude, patience
from bench.processes import PeakMemory, cpu_seconds

_SESSIONS = 8
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup   unix n - n 60 1 pickup
cleanup  unix n - n - 0 cleanup
qmgr     unix n - n 300 1 qmgr
tlsmgr   unix - - n 1000? 1 tlsmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp     unix - - n - - smtp
relay    unix - - n - - smtp
error    unix - - n - - error
retry    unix - - n - - error
discard  unix - - n - - discard
anvil    unix - - n - 1 anvil
scache   unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
postlog  unix-dgram n - n - 1 postlogd
"""

# Found by trying: connection reuse saves most handshakes, a cache of TLS sessions costs more than it saves here.
TUNED = {
    "smtp_tls_connection_reuse": "yes",
    "smtp_destination_concurrency_limit": "40",
    "initial_destination_concurrency": "40",
    "in_flow_delay": "0",
}


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running instance."""

    port: int
    master: int  # process id


def default(run: Run) -> Figure:
    """Postfix as it is installed."""
    return _measure(run, {})


def tuned(run: Run) -> Figure:
    """Postfix with the settings that its documentation recommends for one busy destination over TLS."""
    return _measure(run, TUNED)


@contextlib.contextmanager
def running(directory: Path, sink: Counter, ca: Path, settings: Mapping[str, str]) -> Iterator[Postfix]:
    """An instance that relays everything to the sink.

    Raises:
        Skipped: Postfix is not installed, or we may not start it.
    """
    if not shutil.which("postfix") or os.getuid() != 0:
        raise Skipped("needs Postfix installed (python -m bench.setup) and root to start it")
    etc, port, log = directory / "etc", free_port(), directory / "queue" / "mail.log"
    _lay_out(directory, port)
    _write_settings(etc, {**_settings(directory, sink.port, ca), "maillog_file": str(log), **settings})
    console = directory / "postfix.out"
    with started(["postfix", "-c", str(etc), "start-fg"], log=console) as process:
        wait_for_port(port, process, log=console)
        try:
            yield Postfix(port, process.pid)
        finally:
            subprocess.run(["postfix", "-c", str(etc), "stop"], check=False, capture_output=True)  # noqa: S603, S607


def _measure(run: Run, settings: Mapping[str, str]) -> Figure:
    tls = tlsfiles.make(run.directory)
    run.directory.chmod(0o755)
    with smtp_sink(tls) as sink, running(run.directory, sink, tls.ca, settings) as postfix:
        orders = {"port": postfix.port, "messages": run.messages, "sessions": _SESSIONS}
        with load("bench.load.smtp", orders) as feeding, PeakMemory(postfix.master) as peak:
            cpu = cpu_seconds(postfix.master)
            feeding.go()
            fed = feeding.result(seconds=patience(run))
            count = sink.wait_for(run.messages, seconds=patience(run))
        window = Window(fed["started_at"], cpu_seconds(postfix.master) - cpu, peak.pss, fed["cpu_s"])
    return conclude(run, window, count)


def _lay_out(directory: Path, port: int) -> None:
    for name in ("etc", "queue", "data"):
        (directory / name).mkdir()
    owner = pwd.getpwnam("postfix")
    os.chown(directory / "data", owner.pw_uid, owner.pw_gid)
    (directory / "etc" / "master.cf").write_text(_MASTER.format(port=port))


def _settings(directory: Path, relay_port: int, ca: Path) -> dict[str, str]:
    relay = f"[127.0.0.1]:{relay_port}"
    return {
        "compatibility_level": "3.6",
        "queue_directory": str(directory / "queue"),
        "data_directory": str(directory / "data"),
        "maillog_file_prefixes": str(directory),
        "myhostname": "bench.app.test",
        "mydestination": "",
        "mynetworks": "127.0.0.0/8",
        "inet_interfaces": "loopback-only",
        "inet_protocols": "ipv4",
        "alias_maps": "",
        "alias_database": "",
        "relayhost": relay,
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": "localhost",
        "smtp_tls_CAfile": str(ca),
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": f"inline:{{ {{ {relay} = {USERNAME}:{PASSWORD} }} }}",
        "smtp_sasl_security_options": "noanonymous",
        "smtp_sasl_tls_security_options": "noanonymous",
    }


def _write_settings(etc: Path, settings: Mapping[str, str]) -> None:
    (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
