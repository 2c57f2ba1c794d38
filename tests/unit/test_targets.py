"""Which addresses a webhook may reach, in every spelling and at every moment."""

import asyncio
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from mailsvc.domain.targets import check_url
from mailsvc.webhooks.post import Answer, Poster

INSIDE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "１２７.０.０.１",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "0x0a.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:10.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[2a00:1450::5efe:10.0.0.1]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[fd00::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[3fff::1]",
]


@pytest.mark.parametrize("host", INSIDE)
def test_an_address_inside_is_refused_in_every_spelling(host: str) -> None:
    """Decimal, octal, hexadecimal, full-width, mapped, translated, tunnelled."""
    with pytest.raises(ValueError, match=r"is not a public address \(MAILSVC_WEBHOOK_TARGETS=any"):
        check_url(f"https://{host}/hook", "public")


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]", "[64:ff9b::8.8.8.8]", "app.example.test"]
)
def test_a_public_address_and_any_name_may_be_given(host: str) -> None:
    """What a name leads to is looked at when it is dialled."""
    assert check_url(f"https://{host}/hook", "public").startswith("https://")


@pytest.mark.parametrize(
    "url",
    [
        "https://h.test:0/",
        "https://h.test:65536/",
        "https://user:password@h.test/",
        "https://8.8.8.8:80@127.0.0.1/",
        "ftp://h.test/",
        "//h.test/",
        "https:///hook",
        "https://h.test/a b",
        "https://h.test/\n",
    ],
)
def test_what_is_no_such_url_is_refused(url: str) -> None:
    """Before anybody looks at its host."""
    with pytest.raises(ValueError, match="must|is not a URL"):
        check_url(url, "any")


@pytest.mark.parametrize("url", ["https://h.test/é", "https://h.test/?q=é"])
def test_what_could_never_be_posted_is_refused(url: str) -> None:
    """No request line has such a character, and how to encode it is for the endpoint to say."""
    with pytest.raises(ValueError, match="percent-encoded"):
        check_url(url, "any")


def post(policy: Any, url: str) -> Answer:
    async def once() -> Answer:
        poster = Poster(policy, timeout=5)
        try:
            return await poster.post(url, b"{}", {})
        finally:
            await poster.aclose()

    return asyncio.run(once())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What each look-up of a name answers, in turn."""
    answers: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        return [entry for a in answers.get(host, [[host]]).pop(0) for entry in real(a, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answers


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::a00:1"]]
)
def test_a_name_that_leads_inside_is_not_dialled(names: dict[str, list[list[str]]], addresses: list[str]) -> None:
    """Not even at another of its addresses."""
    names["evil.test"] = [addresses]
    answer = post("public", "http://evil.test:9/hook")

    assert (answer.status, "is not a public address" in str(answer.error)) == (None, True)


@pytest.fixture
def moved() -> Iterator[tuple[int, list[str]]]:
    """An endpoint that sends everybody elsewhere; its port, and the paths that were asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.send_response(307)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base names it so

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port, paths
        server.shutdown()


def test_a_name_cannot_be_rebound_between_check_and_dial(
    names: dict[str, list[list[str]]], moved: tuple[int, list[str]]
) -> None:
    """It is looked up once: a second answer, which leads elsewhere, is never asked for."""
    port, paths = moved
    names["app.test"] = [["127.0.0.1"], ["127.0.0.2"]]
    post("any", f"http://app.test:{port}/hook")

    assert (names["app.test"], paths) == ([["127.0.0.2"]], ["/hook"])


def test_redirects_are_not_followed(moved: tuple[int, list[str]]) -> None:
    """They are an answer like another, and no success."""
    port, paths = moved

    assert (post("any", f"http://127.0.0.1:{port}/hook").status, paths) == (307, ["/hook"])
