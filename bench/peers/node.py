"""Nodemailer's pool: no queue, nothing on disk; the speed of sending from inside an application."""

import json

from bench import mail, tlsfiles
from bench.counters import PASSWORD, USERNAME, smtp_sink
from bench.figure import Figure, Run, Skipped
from bench.load.report import program
from bench.peers import environment
from bench.peers.measure import Window, conclude, patience
from bench.processes import PeakMemory, cpu_seconds


def nodemailer(run: Run) -> Figure:
    """Eight connections, reused for all messages."""
    if not (environment.NODE_PROJECT / "node_modules").exists():
        raise Skipped("its packages are not installed: python -m bench.setup")
    tls = tlsfiles.make(run.directory)
    with smtp_sink(tls) as sink:
        orders = {
            "port": sink.port,
            "username": USERNAME,
            "password": PASSWORD,
            "ca": str(tls.ca),
            "messages": run.messages,
            "mail": {"from": mail.SENDER, "text": mail.TEXT, "html": mail.HTML},
        }
        command = [environment.program("node"), str(environment.NODE_PROJECT / "send.mjs"), json.dumps(orders)]
        with program(command) as sending, PeakMemory(sending.pid) as peak:
            cpu = cpu_seconds(sending.pid)
            sending.go()
            sent = sending.result(seconds=patience(run))
            count = sink.wait_for(run.messages, seconds=10)
            window = Window(sent["started_at"], cpu_seconds(sending.pid) - cpu, peak.pss)
    return conclude(run, window, count)
