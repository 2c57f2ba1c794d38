"""Which way to log in is chosen, and what each mechanism says."""

import base64

import pytest

from mailsvc.mailaccess import sasl
from mailsvc.mailaccess.account import Credentials, Server
from mailsvc.mailaccess.errors import AuthRefused, NotSupported, UnsendableArgument
from mailsvc.pop3.capabilities import Capabilities
from mailsvc.pop3.login import offered
from tests.support.sasl import PASSWORD, TOKEN, USER, Judge

SERVER = Server("pop.example.test", 995)
WITH_PASSWORD = Credentials(USER, PASSWORD)
WITH_TOKEN = Credentials(USER, access_token=TOKEN)


def offering(*lines: str) -> Capabilities:
    return Capabilities(lines)


@pytest.mark.parametrize(
    ("credentials", "capabilities", "chosen"),
    [
        (WITH_PASSWORD, offering("USER", "SASL PLAIN XOAUTH2"), "PLAIN"),
        (WITH_PASSWORD, offering("USER"), "USER"),
        (WITH_PASSWORD, None, "USER"),
        (WITH_TOKEN, offering("USER", "SASL PLAIN XOAUTH2"), "XOAUTH2"),
        (WITH_TOKEN, offering("SASL XOAUTH2 OAUTHBEARER"), "OAUTHBEARER"),
        (Credentials(USER, PASSWORD, auth="user"), offering("USER", "SASL PLAIN"), "USER"),
        (Credentials(USER, PASSWORD, TOKEN), offering("SASL PLAIN XOAUTH2"), "XOAUTH2"),
        (Credentials(USER, PASSWORD, TOKEN, auth="plain"), offering("SASL PLAIN XOAUTH2"), "PLAIN"),
    ],
)
def test_one_way_is_chosen(credentials: Credentials, capabilities: Capabilities | None, chosen: str) -> None:
    """One only: repeated refusals lock accounts."""
    assert sasl.choose(credentials, offered(capabilities), command="USER") == chosen


@pytest.mark.parametrize(
    ("credentials", "capabilities"),
    [
        (WITH_PASSWORD, offering("STLS")),
        (WITH_PASSWORD, offering("SASL XOAUTH2")),
        (WITH_TOKEN, offering("USER", "SASL PLAIN")),
        (WITH_TOKEN, None),
        (Credentials(USER, PASSWORD, auth="plain"), offering("USER")),
    ],
)
def test_a_token_never_goes_out_as_a_password(credentials: Credentials, capabilities: Capabilities | None) -> None:
    """Nor is anything tried that is not offered."""
    with pytest.raises(NotSupported):
        sasl.choose(credentials, offered(capabilities), command="USER")


@pytest.mark.parametrize(
    ("mechanism", "credentials"), [("PLAIN", WITH_PASSWORD), ("XOAUTH2", WITH_TOKEN), ("OAUTHBEARER", WITH_TOKEN)]
)
def test_a_server_that_checks_lets_us_in(mechanism: str, credentials: Credentials) -> None:
    judge, exchange = Judge(mechanism), sasl.Exchange(mechanism, credentials, SERVER)
    judge.challenge(base64.b64decode(exchange.answer(b"")))

    assert judge.user == USER


@pytest.mark.parametrize(("mechanism", "acknowledgement"), [("XOAUTH2", b""), ("OAUTHBEARER", b"AQ==")])
def test_the_error_of_a_token_is_answered_and_kept(mechanism: str, acknowledgement: bytes) -> None:
    """RFC 7628 section 3.2.3: the refusal itself comes only then."""
    exchange = sasl.Exchange(mechanism, WITH_TOKEN, SERVER)
    exchange.answer(b"")

    assert exchange.answer(base64.b64encode(b'{"status":"invalid_token"}')) == acknowledgement
    assert exchange.oauth_error == '{"status":"invalid_token"}'
    with pytest.raises(AuthRefused):
        exchange.answer(b"")


def test_a_server_that_asks_for_more_than_a_password_is_refused() -> None:
    exchange = sasl.Exchange("PLAIN", WITH_PASSWORD, SERVER)
    exchange.answer(b"")

    with pytest.raises(AuthRefused):
        exchange.answer(b"")


@pytest.mark.parametrize(
    ("mechanism", "credentials"),
    [
        ("PLAIN", Credentials("a\0b", "x")),
        ("PLAIN", Credentials("a", "x\0y")),
        ("XOAUTH2", Credentials("a", access_token="t\r\nx")),
        ("XOAUTH2", Credentials("a\x01auth=Bearer other", access_token="t")),
        ("OAUTHBEARER", Credentials("a", access_token="t\x01host=other")),
    ],
)
def test_no_credential_holds_what_separates_fields(mechanism: str, credentials: Credentials) -> None:
    """A part of it would be read as another field."""
    with pytest.raises(UnsendableArgument):
        sasl.Exchange(mechanism, credentials, SERVER)


def test_the_name_in_oauthbearer_is_escaped() -> None:
    """RFC 5801 section 4."""
    exchange = sasl.Exchange("OAUTHBEARER", Credentials("a,b=c", access_token="t"), SERVER)

    assert base64.b64decode(exchange.answer(b"")).startswith(b"n,a=a=2Cb=3Dc,\x01host=pop.example.test\x01port=995\x01")


@pytest.mark.parametrize("said", ["unknown command PASS secret-secret-secret", "PASS secret-secret-se…"])
def test_a_secret_that_the_server_repeats_is_hidden(said: str) -> None:
    """Also where the text was cut in its middle."""
    assert sasl.without_secrets(said, ["secret-secret-secret", ""]).endswith("PASS ********")
