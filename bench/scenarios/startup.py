"""From ``mailsvc serve`` to ready: with nothing there yet, and with a database that is."""

from bench import tlsfiles
from bench.counters import smtp_sink
from bench.figure import Figure, Run
from bench.service import Setting, serving


def measure(run: Run) -> Figure:
    """One first and one second start; rounds repeat it."""
    tls = tlsfiles.make(run.directory)
    with smtp_sink(tls) as sink:
        setting = Setting(sink, tls.ca)
        with serving(run.directory, setting) as service:
            first_s = service.start_s
        with serving(run.directory, setting) as service:
            second_s = service.start_s
    return Figure({"first_s": first_s, "second_s": second_s})
