"""Which calls are tried again, after what, and for how long."""

import pytest

from mailsvc_sdk import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    Conflict,
    ConnectionError,  # noqa: A004 - as users import it
    Mailsvc,
    RateLimited,
    Retry,
    ServerError,
    ServiceUnavailable,
    Timeout,
    Timeouts,
)
from tests.support.postgres import free_port
from tests.support.scripted_http import Answer, ScriptedServer, scripted

ACCEPTED = Answer(
    202,
    {
        "id": "msg_1",
        "message_id": "<1@app.test>",
        "status": "queued",
        "created_at": "2030-01-01T00:00:00Z",
        "deliveries": [],
    },
)
HANG_UP = Answer(hang_up=True)
QUICK = Retry(base=0.001, cap=0.002)


def problem(status: int, code: str = "x", **headers: str) -> Answer:
    return Answer(status, {"code": code, "detail": "so it is"}, {k.replace("_", "-"): v for k, v in headers.items()})


def client(server: ScriptedServer, retry: Retry | int | None = QUICK) -> Mailsvc:
    return Mailsvc(server.url, api_key="k", retry=retry)


@pytest.mark.parametrize(
    "failure",
    [HANG_UP, *[problem(status) for status in (408, 429, 500, 502, 503, 504)], problem(409, "idempotency_in_flight")],
)
def test_a_send_is_tried_again_under_the_same_key(failure: Answer) -> None:
    with scripted(failure, failure, ACCEPTED) as server, client(server) as mail:
        accepted = mail.send(from_="a@app.test", to="b@app.test", text="…")

    keys = {asked.headers["Idempotency-Key"] for asked in server.asked}
    assert len(server.asked) == 3
    assert len({asked.body for asked in server.asked}) == 1
    assert keys == {accepted.idempotency_key}


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 415, 422])
def test_other_answers_are_final(status: int) -> None:
    with scripted(problem(status)) as server, client(server) as mail, pytest.raises(APIError) as raised:
        mail.send(text="…")

    assert (len(server.asked), raised.value.status) == (1, status)


@pytest.mark.parametrize(("failure", "tries"), [(HANG_UP, 1), (problem(500), 1), (problem(503), 2), (problem(429), 2)])
def test_an_action_is_tried_again_only_if_nothing_was_done(failure: Answer, tries: int) -> None:
    done = Answer(200, {"id": "msg_1", "status": "canceled", "deliveries": []})
    with scripted(failure, done) as server, client(server) as mail:
        try:
            mail.messages.cancel("msg_1")
        except (ConnectionError, ServerError) as error:
            assert getattr(error, "idempotency_key", None) is None

    assert len(server.asked) == tries


def test_a_delete_whose_answer_was_lost_succeeds() -> None:
    with scripted(HANG_UP, problem(404)) as server, client(server) as mail:
        mail.suppressions.delete("sup_1")

    assert len(server.asked) == 2


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    with (
        scripted(problem(503, Retry_After="3600")) as server,
        client(server) as mail,
        pytest.raises(ServiceUnavailable) as raised,
    ):
        mail.send(text="…")

    assert (len(server.asked), raised.value.retry_after) == (1, 3600)
    assert raised.value.idempotency_key


@pytest.mark.parametrize(("retry", "tries"), [(None, 1), (0, 1), (2, 3)])
def test_the_number_of_attempts_is_kept(retry: int | None, tries: int) -> None:
    with scripted(problem(429, Retry_After="0")) as server, client(server, retry) as mail, pytest.raises(RateLimited):
        mail.messages.get("msg_1")

    assert len(server.asked) == tries


def test_a_service_that_is_not_there_is_a_connection_error() -> None:
    mail = Mailsvc(f"http://127.0.0.1:{free_port()}", api_key="k", retry=Retry(attempts=2, base=0.001))
    with pytest.raises(ConnectionError) as raised:
        mail.send(text="…")

    assert isinstance(raised.value, OSError)
    assert (raised.value.attempts, raised.value.sent) == (3, False)
    assert raised.value.idempotency_key and raised.value.__cause__


def test_a_service_that_does_not_answer_is_a_timeout() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = Mailsvc(
            f"http://127.0.0.1:{silent.getsockname()[1]}", api_key="k", timeout=Timeouts(read=0.01), retry=None
        )
        with pytest.raises(Timeout) as raised:
            mail.send(text="…")

    assert isinstance(raised.value, TimeoutError)
    assert raised.value.sent


def test_a_proxys_page_is_an_error_with_its_first_words() -> None:
    with (
        scripted(Answer(403, b"<html>No" + b"!" * 1000)) as server,
        client(server) as mail,
        pytest.raises(APIError) as raised,
    ):
        mail.messages.get("msg_1")

    assert (raised.value.code, len(raised.value.detail)) == ("http_403", 200)


def test_a_redirect_is_not_followed() -> None:
    with scripted(Answer(302, {}, {"Location": "http://127.0.0.1:1/"})) as server, client(server) as mail:
        with pytest.raises(APIError, match="302"):
            mail.messages.get("msg_1")


def test_a_missing_key_is_told_at_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAILSVC_API_KEY", "MAILSVC_API_KEY_FILE", "MAILSVC_URL"):
        monkeypatch.delenv(name, raising=False)
    mail = Mailsvc()

    with pytest.raises(ConfigurationError, match="MAILSVC_API_KEY"):
        mail.messages.get("msg_1")
    monkeypatch.setenv("MAILSVC_API_KEY_FILE", "/nowhere/key")
    with pytest.raises(ConfigurationError, match="/nowhere/key"):
        Mailsvc().messages.get("msg_1")


@pytest.mark.parametrize(
    "url", ["app.test", "ftp://app.test", "http://", "http://u:p@app.test", "http://app.test?x=1", "http://a:b"]
)
def test_a_malformed_url_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError) as raised:
        Mailsvc(url)

    assert "u:p" not in str(raised.value)


def test_a_path_in_the_url_is_kept_and_headers_are_sent() -> None:
    with scripted(problem(409)) as server:
        mail = Mailsvc(server.url + "/mail/", api_key="secret", headers={"X-Tenant": "1"})
        with pytest.raises(Conflict) as raised:
            mail.with_options(headers={"X-More": "2"}).messages.cancel("msg_1")

    (asked,) = server.asked
    assert asked.path == "/mail/v1/messages/msg_1/cancel"
    assert (asked.headers["X-Tenant"], asked.headers["X-More"]) == ("1", "2")
    assert asked.headers["User-Agent"].startswith("mailsvc-sdk/")
    assert "secret" not in f"{raised.value}{raised.value!r}{mail!r}"


def test_a_closed_client_says_so_and_a_views_end_closes_nothing() -> None:
    with scripted(problem(401)) as server:
        mail = client(server)
        mail.with_options(retry=None).close()
        with pytest.raises(AuthenticationError):
            mail.messages.get("msg_1")
        mail.close()
        with pytest.raises(RuntimeError, match="closed"):
            mail.messages.get("msg_1")
