"""MiB that an embedded service adds to a Flask process, idle."""

import subprocess
import sys
import time

from bench import tlsfiles
from bench.children import ROOT, started
from bench.counters import smtp_sink
from bench.figure import Figure, Run
from bench.processes import memory
from bench.service import relay_url

_SETTLE_S, _QUICK_S = 10.0, 2.0
_APPLICATION = """
import sys, time
import flask
from flask import Flask
app = Flask(__name__)
app.test_client().get("/")
"""
_SERVICE = """
from mailsvc import Service, Settings
service = Service(Settings(data_dir=sys.argv[1], relay_url=sys.argv[2]))
service.start()
"""


def measure(run: Run) -> Figure:
    """The PSS of the process some seconds after the start, less that of the same process without the service."""
    tls = tlsfiles.make(run.directory)
    settle = _QUICK_S if run.quick else _SETTLE_S
    with smtp_sink(tls) as sink:
        arguments = [str(run.directory / "mail"), relay_url(sink, tls.ca)]
        # The first start makes the tables, by a library that stays loaded in that process.
        subprocess.run(
            [sys.executable, "-c", f"import sys\n{_SERVICE}service.stop()", *arguments], check=True, cwd=ROOT
        )
        without = _pss(run, _APPLICATION, arguments, settle)
        within = _pss(run, _APPLICATION + _SERVICE, arguments, settle)
    return Figure({"flask_pss_mb": without, "with_service_pss_mb": within, "added_pss_mb": within - without})


def _pss(run: Run, script: str, arguments: list[str], settle: float) -> float:
    command = [sys.executable, "-c", script + "time.sleep(600)", *arguments]
    with started(command, log=run.directory / "host.log") as process:
        time.sleep(settle)
        if process.poll() is not None:
            raise RuntimeError((run.directory / "host.log").read_text())
        return memory(process.pid).pss
