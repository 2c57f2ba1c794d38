"""Which addresses a webhook may reach, in every spelling and at every moment."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from mailsvc.domain.targets import Forbidden, check_url, is_public, literal_address, vet
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
def test_a_private_address_is_rejected_in_every_notation(host: str) -> None:
    """Decimal, octal, hexadecimal, full-width, mapped, translated, tunnelled."""
    with pytest.raises(ValueError, match=r"is not a public address \(MAILSVC_WEBHOOK_TARGETS=any"):
        check_url(f"https://{host}/hook", "public")


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]", "[64:ff9b::8.8.8.8]", "app.example.test"]
)
def test_public_addresses_and_names_are_accepted(host: str) -> None:
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
def test_a_url_that_is_malformed_or_not_http_is_rejected(url: str) -> None:
    """Before anybody looks at its host."""
    with pytest.raises(ValueError, match="must|is not a URL"):
        check_url(url, "any")


@pytest.mark.parametrize("url", ["https://h.test/é", "https://h.test/?q=é"])
def test_a_url_that_cannot_be_posted_to_is_rejected(url: str) -> None:
    """No request line has such a character, and how to encode it is for the endpoint to say."""
    with pytest.raises(ValueError, match="percent-encoded"):
        check_url(url, "any")


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://App.Test", "https://app.test/"),
        ("http://app.test:8080/hook?a=1&b=%C3%A9#part", "http://app.test:8080/hook?a=1&b=%C3%A9"),
        ("https://bücher.test/", "https://xn--bcher-kva.test/"),
        ("https://127.1/", "https://127.0.0.1/"),
        ("https://0x7f000001:9/a", "https://127.0.0.1:9/a"),
        ("https://[::1]:9/a", "https://[::1]:9/a"),
        ("https://h.test/" + "x" * 1985, "https://h.test/" + "x" * 1985),
        ("https://h.test:65535/", "https://h.test:65535/"),
    ],
)
def test_a_url_is_called_in_one_form(url: str, called: str) -> None:
    """Whoever checks it and whoever calls it must mean the same host."""
    assert check_url(url, "any") == called


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://h.test:x/", "is not a URL such as"),
        ("https://[::1/", "is not a URL such as"),
        ("https://h.test:0/", "must not name port 0"),
        ("ftp://h.test/", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https://user@h.test/", "must not contain a user name"),
        ("https://:p@h.test/", "must not contain a user name"),
        ("https://h.test/ a", "must not contain spaces"),
        ("https://h.test/" + "x" * 1986, "at most 2000 characters"),
        ("https://h.test/é", "percent-encoded"),
        ("https://ü\u0301_.test/", "has a host name that is not valid"),
    ],
)
def test_a_url_that_is_refused_is_explained(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_url(url, "any")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"), ("127.1", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"), ("10.0.0.1.", "10.0.0.1"),
        ("127.0.0.1.X", None), ("::1", "::1"), ("fe80::1%eth0", "fe80::1"), ("h.test", None), ("1.2.3.4.5", None), ("", None),
    ],
)  # fmt: skip
def test_a_host_that_is_an_address_in_disguise(host: str, address: str | None) -> None:
    """In any spelling that a resolver takes."""
    assert literal_address(host) == (ipaddress.ip_address(address) if address else None)


@pytest.mark.parametrize(
    ("inside", "beside"),
    [
        ("0.255.255.255", "1.0.0.0"),
        ("10.255.255.255", "11.0.0.0"),
        ("100.127.255.255", "100.128.0.0"),
        ("168.63.129.16", "168.63.129.17"),
        ("192.88.99.255", "192.88.100.0"),
        ("239.255.255.255", "223.255.255.255"),
        ("240.0.0.0", "9.9.9.9"),
        ("::ff:1", "2606::1"),
        ("3fff:fff::1", "2606::2"),
        ("5f00::1", "2606::3"),
        ("64:ff9b::10.0.0.1", "64:ff9b::9.9.9.9"),
        ("2002:a00:1::", "2002:909:909::"),
        ("2606:4700::5efe:9.9.9.9", "2606:4700::5eff:9.9.9.9"),
        ("2606:4700::200:5efe:9.9.9.9", "2606:4700::201:5efe:9.9.9.9"),
    ],
)
def test_the_borders_of_what_is_public(inside: str, beside: str) -> None:
    """The last address that is not, and one that is."""
    assert (is_public(ipaddress.ip_address(inside)), is_public(ipaddress.ip_address(beside))) == (False, True)


def test_one_forbidden_address_forbids_a_name() -> None:
    """The error names it, and the setting that decides."""
    addresses = [ipaddress.ip_address(a) for a in ("9.9.9.9", "10.0.0.1")]

    vet(addresses, "any")
    vet(addresses[:1], "public")
    with pytest.raises(Forbidden, match=r"^10\.0\.0\.1 is not a public address \(MAILSVC_WEBHOOK_TARGETS=any"):
        vet(addresses, "public")
    with pytest.raises(Forbidden, match="MAILSVC_RELAY_TARGETS=any"):
        vet(addresses, "public", setting="MAILSVC_RELAY_TARGETS")


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
def test_a_name_that_resolves_to_a_private_address_is_not_dialled(
    names: dict[str, list[list[str]]], addresses: list[str]
) -> None:
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
