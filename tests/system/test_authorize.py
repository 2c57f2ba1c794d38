"""``mailsvc relay authorize``: a person consents, and the relay gets a refresh token that works."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.service import ROOT, Service
from tests.support.shell import Said
from tests.support.tokenserver import CLIENT_ID, CLIENT_SECRET, TokenServer


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("authorize") / "data").start()
    yield service
    service.kill9()


@pytest.fixture
def authorization() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
def relay(service: Service) -> Iterator[dict[str, Any]]:
    """A relay at which nothing listens."""
    with service.client() as client:
        given = {"name": "company", "host": "127.0.0.1", "port": 1, "username": "shop@app.test", "password": "old"}
        made = client.post("/v1/relays", json=given).json()
        yield made
        client.delete(f"/v1/relays/{made['id']}")


class Person:
    """Runs the command and reads along."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._read: list[str] = []

    def line_with(self, word: str) -> str:
        """The next line of the instructions that has this word."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._read.append(line)
            if word in line:
                return line.strip()
        raise AssertionError("".join(self._read))

    def types(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def end(self) -> Said:
        out, err = self._process.communicate(timeout=60)
        return Said(self._process.returncode, out, "".join(self._read) + err)


@contextmanager
def authorizing(service: Service, *options: str, what: str = "relay") -> Iterator[Person]:
    command = [sys.executable, "-m", "mailsvc", what, "authorize", "company", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env={**os.environ, **service.environment()}, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield Person(process)
        finally:
            process.kill()


def options(server: TokenServer, *more: str) -> list[str]:
    client = ["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET]
    return ["--token-url", server.url(), "--authorization-url", server.url("/authorize"), *client, *more]


def stored(service: Service, relay: dict[str, Any]) -> dict[str, Any]:
    with service.client() as client:
        return dict(client.get(f"/v1/relays/{relay['id']}").json())


def step_of_check(service: Service, relay: dict[str, Any]) -> dict[str, Any]:
    """The first step of a check, which gets a token."""
    with service.client() as client:
        return dict(client.post(f"/v1/relays/{relay['id']}/check", timeout=60).json()["steps"][0])


def test_a_browser_brings_the_refresh_token(
    service: Service, relay: dict[str, Any], authorization: TokenServer
) -> None:
    """What is no answer to the question is not taken for one; the password goes."""
    with authorizing(service, *options(authorization, "--scope", "mail")) as person:
        url = person.line_with("response_type=code")
        answer = httpx.get(url).headers["location"]
        strange = httpx.get(answer.replace("state=", "state=x")).status_code
        icon = httpx.get(httpx.URL(answer).join("/favicon.ico")).status_code
        done = httpx.get(answer)
        said = person.end()

    assert (said.code, said.out) == (0, "company has a refresh token. Try it: mailsvc relay check company\n"), said.err
    assert ("scope=mail" in url, strange, icon, done.status_code, "close this window" in done.text) == (
        True,
        404,
        404,
        200,
        True,
    )
    assert (stored(service, relay)["password"], stored(service, relay)["oauth"]) == (None, "********")
    assert step_of_check(service, relay) == {"stage": "oauth", "ok": True, "detail": "got an access token"}


def test_an_address_can_be_pasted(service: Service, relay: dict[str, Any], authorization: TokenServer) -> None:
    with authorizing(service, *options(authorization, "--paste", "--json")) as person:
        person.types(httpx.get(person.line_with("response_type=code")).headers["location"])
        said = person.end()

    assert (said.code, said.json["oauth"]) == (0, "********"), said.err
    assert step_of_check(service, relay)["ok"]


def test_a_code_can_be_entered_on_another_device(
    service: Service, relay: dict[str, Any], authorization: TokenServer
) -> None:
    device = ["--device", "--device-url", authorization.url("/device")]
    with authorizing(service, *options(authorization, *device)) as person:
        person.line_with("WDJB-MJHT")
        authorization.wait_for_requests(2)  # authorization_pending
        authorization.approve_device()
        said = person.end()

    assert said.code == 0, said.err
    assert step_of_check(service, relay)["ok"]


def test_a_new_consent_ends_a_refusal_at_once(
    service: Service, relay: dict[str, Any], authorization: TokenServer
) -> None:
    """The advice of the refused relay is enough."""
    with service.client() as client:
        oauth = authorization.grant()
        client.patch(f"/v1/relays/{relay['id']}", json={"oauth": oauth, "password": None}).raise_for_status()
    authorization.revoke_refresh()
    refused = step_of_check(service, relay)
    with authorizing(service, *options(authorization)) as person:
        httpx.get(person.line_with("response_type=code"), follow_redirects=True)
        assert person.end().code == 0

    assert refused["detail"].endswith("run: mailsvc relay authorize company")
    assert step_of_check(service, relay)["ok"]


@pytest.mark.parametrize("way", ["browser", "device"])
def test_a_person_who_refuses_changes_nothing(
    service: Service, relay: dict[str, Any], authorization: TokenServer, way: str
) -> None:
    authorization.consents = False
    more = ["--device", "--device-url", authorization.url("/device")] if way == "device" else []
    with authorizing(service, *options(authorization, *more)) as person:
        if way == "browser":
            httpx.get(person.line_with("response_type=code"), follow_redirects=True)
        said = person.end()

    assert (said.code, "access_denied" in said.err) == (1, True), said.err
    assert (stored(service, relay)["password"], stored(service, relay)["oauth"]) == ("********", None)


def test_a_provider_without_a_refresh_token_is_told(
    service: Service, relay: dict[str, Any], authorization: TokenServer
) -> None:
    authorization.moods.append('{"access_token": "only", "expires_in": 3600}')
    with authorizing(service, *options(authorization)) as person:
        httpx.get(person.line_with("response_type=code"), follow_redirects=True)
        said = person.end()

    assert (said.code, "no refresh token" in said.err) == (1, True)


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ([], "name it with --preset"),
        (["--token-url", "https://login.example.test/"], "--authorization-url must be"),
        (["--token-url", "http://login.example.test/"], "--token-url must be"),
        (["--preset", "google", "--device"], "offers no device codes"),
        (["--preset", "google", "--tenant", "t"], "--tenant is known"),
    ],
)
def test_wrong_options_name_the_fix(service: Service, relay: dict[str, Any], wrong: list[str], fix: str) -> None:
    with authorizing(service, *wrong) as person:
        said = person.end()

    assert (said.code, fix in said.err) == (1, True), said.err


def test_the_client_is_asked_for(service: Service, relay: dict[str, Any], authorization: TokenServer) -> None:
    """Its secret as well, which the list of processes would show."""
    urls = ["--token-url", authorization.url(), "--authorization-url", authorization.url("/authorize")]
    with authorizing(service, *urls) as person:
        person.types(f"{CLIENT_ID}\n{CLIENT_SECRET}")
        httpx.get(person.line_with("response_type=code"), follow_redirects=True)
        said = person.end()

    assert said.code == 0, said.err


def test_a_mailbox_without_a_password_waits_for_its_authorization(service: Service, authorization: TokenServer) -> None:
    """It is added disabled, and read from the consent on."""
    env = {**os.environ, **service.environment()}
    url = "imaps://shop%40app.test@127.0.0.1:1?name=company"
    command = [sys.executable, "-m", "mailsvc", "mailbox", "add", url]
    added = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    with authorizing(service, *options(authorization), what="mailbox") as person:
        httpx.get(httpx.get(person.line_with("response_type=code")).headers["location"])
        said = person.end()
    with service.client() as client:
        (shown,) = client.get("/v1/mailboxes?name=company").json()["data"]

    assert "mailsvc mailbox authorize company" in added.stdout
    assert said.code == 0, said.err
    assert (shown["enabled"], shown["password"], shown["oauth"]) == (True, None, "********")
