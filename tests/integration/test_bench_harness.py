"""The benchmarks' own sinks and meters, since every figure rests on them."""

import fcntl
import os
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import mail, tlsfiles
from bench.children import is_readable
from bench.counters import PASSWORD, USERNAME, Counter, hook_sink, smtp_sink
from bench.figure import Invalid
from bench.processes import cpu_seconds, memory
from mailsvc.service.tuning import allow_files


@pytest.fixture(name="tls")
def _tls(tmp_path: Path) -> tlsfiles.TlsFiles:
    return tlsfiles.make(tmp_path)


@pytest.fixture(name="sink")
def _sink(tls: tlsfiles.TlsFiles) -> Iterator[Counter]:
    with smtp_sink(tls) as counter:
        yield counter


def _session(sink: Counter, tls: tlsfiles.TlsFiles) -> smtplib.SMTP:
    client = smtplib.SMTP("localhost", sink.port, local_hostname="app.test")
    client.starttls(context=ssl.create_default_context(cafile=str(tls.ca)))
    client.login(USERNAME, PASSWORD)
    return client


def test_the_sink_counts_a_message_once_however_often_it_comes(sink: Counter, tls: tlsfiles.TlsFiles) -> None:
    """Arrivals are counted, and distinct Message-IDs."""
    with _session(sink, tls) as client:
        for number in (1, 2, 1):
            client.sendmail("a@app.test", ["b@example.test"], mail.wire(number))

    count = sink.report()
    assert (count.arrivals, count.distinct) == (3, 2)
    assert sorted(sink.times()) == ["1@bench.app.test", "2@bench.app.test"]


@pytest.mark.parametrize("size", [0, 1, 16_384, 3_000_000])
def test_the_sink_finds_the_end_of_messages_of_any_size(sink: Counter, tls: tlsfiles.TlsFiles, size: int) -> None:
    """The end mark may come in pieces; what follows it is the next command."""
    with _session(sink, tls) as client:
        for number in range(3):
            client.sendmail(
                "a@app.test", ["b@example.test"], f"Message-ID: <{number}@x>\r\n\r\n".encode() + b"x" * size
            )

    assert sink.wait_for(3, seconds=10).distinct == 3


@pytest.mark.parametrize("torn_at", range(1, 6))
def test_the_sink_keeps_step_with_a_client_that_pipelines(sink: Counter, tls: tlsfiles.TlsFiles, torn_at: int) -> None:
    """The end mark may come torn, with the next transaction and QUIT right behind it."""
    envelope = b"MAIL FROM:<a@app.test>\r\nRCPT TO:<b@example.test> NOTIFY=FAILURE\r\nDATA\r\n"
    content = [mail.wire(number) + b".\r\n" for number in (1, 2)]
    client = _session(sink, tls)
    assert client.sock
    client.sock.sendall(envelope + content[0][:-torn_at])
    client.sock.sendall(content[0][-torn_at:] + envelope + content[1] + b"QUIT\r\n")
    replies = b"".join(iter(lambda: client.sock.recv(1024) if client.sock else b"", b""))

    assert [line[:3] for line in replies.splitlines()] == [b"250", b"250", b"354", b"250"] * 2 + [b"221"]
    assert sink.report().distinct == 2


def test_the_sink_takes_nothing_without_tls_and_login(sink: Counter) -> None:
    """Whoever would skip STARTTLS or AUTH would be measured for less work."""
    with smtplib.SMTP("localhost", sink.port, local_hostname="app.test") as client:
        code, _ = client.docmd("EHLO app.test")
        refused = [client.docmd(command)[0] for command in ("MAIL FROM:<a@app.test>", "DATA", "AUTH PLAIN x")]

    assert (code, refused) == (250, [530, 530, 538])


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
def test_the_sink_accepts_the_right_password(
    sink: Counter, tls: tlsfiles.TlsFiles, mechanism: str, *, initial: bool
) -> None:
    """By each way that a client may say it; a wrong one is refused."""
    with smtplib.SMTP("localhost", sink.port, local_hostname="app.test") as client:
        client.starttls(context=ssl.create_default_context(cafile=str(tls.ca)))
        client.ehlo()
        client.user, client.password = USERNAME, "wrong"
        say = getattr(client, mechanism)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.auth(mechanism[5:].upper(), say, initial_response_ok=initial)
        client.password = PASSWORD
        code, _ = client.auth(mechanism[5:].upper(), say, initial_response_ok=initial)

    assert code == 235


def test_a_delayed_sink_still_speaks_smtp(tls: tlsfiles.TlsFiles) -> None:
    """Replies held back stay in order, through STARTTLS and QUIT."""
    with smtp_sink(tls, delay_ms=2) as sink:
        with _session(sink, tls) as client:
            client.sendmail("a@app.test", ["b@example.test"], mail.wire(1))

        assert sink.report().distinct == 1


def test_giving_up_waiting_does_not_confuse_the_next_question(sink: Counter) -> None:
    """An answer that comes too late belongs to nobody."""
    with pytest.raises(Invalid):
        sink.wait_for(1, seconds=0.01)

    assert sink.report().arrivals == 0


def test_webhook_calls_are_counted_by_their_identity() -> None:
    """A retried call is the same call."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nWebhook-Id: evt_1\r\nContent-Length: 2\r\n\r\n{}"
    with hook_sink() as hooks:
        with socket.create_connection(("127.0.0.1", hooks.port)) as client:
            client.sendall(head + head)
            count = hooks.wait_for(1, seconds=10)

        assert count.distinct == 1


def test_cpu_time_of_ended_children_counts() -> None:
    """Postfix's processes come and go within a run."""
    burn = "import subprocess as s, sys; s.run([sys.executable, '-c', 'sum(range(10**7))']); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        used, occupied = cpu_seconds(process.pid), memory(process.pid)
        process.communicate(b"\n")

    assert used > 0.05
    assert 1 < occupied.pss <= occupied.rss


def test_program_output_is_read_from_any_descriptor() -> None:
    """select(2) ends at descriptor 1,023."""
    allow_files(4096)
    reading, writing = os.pipe()
    high = fcntl.fcntl(reading, fcntl.F_DUPFD_CLOEXEC, 2048)
    with open(reading, "rb"), open(high, "rb", buffering=0) as output, open(writing, "wb", buffering=0) as program:
        silent = is_readable(output, seconds=0)
        program.write(b"ready")

        assert (silent, is_readable(output, seconds=30)) == (False, True)
