"""Trying a relay: what the report says of each step, against a small scripted server on loopback."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from mailsvc.api.relay_objects import RelayCheck
from mailsvc.domain.relay import Relay, Timeouts
from mailsvc.smtp.probe import probe

GOOD = {
    "": "220 ready",
    "EHLO": "250-relay.test\r\n250-SIZE 1000\r\n250 AUTH PLAIN",
    "AUTH": "235 welcome",
    "QUIT": "221 bye",
}


@contextmanager
def listening(answers: Mapping[str, str]) -> Iterator[int]:
    """A server that answers by the first word of each line; to what is not listed it says nothing."""
    ready, ports = threading.Event(), list[int]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        word = ""
        while word != "QUIT":
            if word in answers:
                writer.write(answers[word].encode() + b"\r\n")
            line = await reader.readline()
            if not line:
                break
            word = line.split()[0].decode().upper()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        loops.append(asyncio.get_running_loop())
        stops.append(asyncio.Event())
        ready.set()
        async with server:
            await stops[0].wait()

    loops, stops = list[asyncio.AbstractEventLoop](), list[asyncio.Event]()
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield ports[0]
    finally:
        loops[0].call_soon_threadsafe(stops[0].set)
        thread.join()


def tried(answers: Mapping[str, str], **given: Any) -> RelayCheck:
    """The report on a relay that answers so."""
    account = {"username": "shop", "password": "s3cret", "tls": "none"}
    with listening(answers) as port:
        report = probe(Relay(id="rly_1", name="acme", host="127.0.0.1", port=port, **{**account, **given}))
    return msgspec.convert(report, RelayCheck, strict=True)


def went(report: RelayCheck) -> list[tuple[str, bool]]:
    return [(step.stage, step.ok) for step in report.steps]


def test_a_good_relay_passes_every_step() -> None:
    """The report names the steps, what was offered, and that there was no TLS."""
    report = tried(GOOD)

    assert (report.ok, report.tls, report.capabilities) == (True, None, ["SIZE 1000", "AUTH PLAIN"])
    assert went(report) == [("connect", True), ("greeting", True), ("ehlo", True), ("auth", True)]


def test_no_login_without_a_user() -> None:
    """A relay that knows us by our address has no step auth."""
    assert went(tried(GOOD, username=None, password=None))[-1] == ("ehlo", True)


def test_a_refused_password_is_the_last_step() -> None:
    """What the relay said is in the detail; the password is not."""
    report = tried(GOOD | {"AUTH": "535 5.7.8 wrong password"})

    assert (report.ok, went(report)[-2:]) == (False, [("ehlo", True), ("auth", False)])
    assert report.steps[-1].detail.startswith("535 ")
    assert report.capabilities == ["SIZE 1000", "AUTH PLAIN"], "then one wants to know what it offers"
    assert "s3cret" not in str(report)


def test_a_relay_without_starttls_is_not_logged_in_to() -> None:
    """Required means required: the password stays here."""
    report = tried(GOOD, tls="starttls")

    assert went(report)[-1] == ("starttls", False)


def test_a_refused_connection_is_explained() -> None:
    """Nobody listens at the address."""
    with listening(GOOD) as port:
        pass
    report = msgspec.convert(probe(Relay(id="r", name="r", host="127.0.0.1", port=port, tls="none")), RelayCheck)

    assert went(report) == [("connect", False)]
    assert report.steps[0].detail == "connection refused"


def test_an_unresponsive_relay_times_out() -> None:
    """A relay that accepts and says nothing can't hold the request for ever."""
    report = tried({}, timeouts=Timeouts(connect=0.2, greeting=0.2))

    assert not report.ok
    assert "in time" in report.steps[-1].detail
