"""Settings: where they come from, which wins, and one clear sentence for each that can't be used."""

import base64
from pathlib import Path

import pytest
import trustme

from mailsvc.apps.relay_form import NewRelay, validate_relay
from mailsvc.domain.errors import Invalid
from mailsvc.settings import BadSetting, Settings, load, parse_relay_url

RELAY = "smtp://user:password@smtp.example.test"


def from_environment(tmp_path: Path, **given: str) -> Settings:
    return load({f"MAILSVC_{name}": value for name, value in given.items()}, tmp_path)


def test_the_defaults_need_no_settings(tmp_path: Path) -> None:
    """An empty environment is enough."""
    settings = from_environment(tmp_path)

    assert (settings.bind, settings.database) == ("127.0.0.1:8025", "sqlite:///mailsvc-data/mailsvc.db")
    assert (settings.targets, settings.auto_migrate, settings.max_queue) == ("any", True, None)


def test_a_secret_file_overrides_the_variable_which_overrides_the_toml(tmp_path: Path) -> None:
    """X_FILE, then X, then x in mailsvc.toml."""
    (tmp_path / "level").write_text("error\n")
    (tmp_path / "mailsvc.toml").write_text('mailsvc_log_level = "debug"\nlog_format = "json"\nmax_queue = 7\n')
    in_file = str(tmp_path / "level")

    assert from_environment(tmp_path).log_level == "debug"
    assert from_environment(tmp_path, LOG_LEVEL="warning").log_level == "warning"
    assert from_environment(tmp_path, LOG_LEVEL="warning", LOG_LEVEL_FILE=in_file).log_level == "error"
    assert (from_environment(tmp_path).log_format, from_environment(tmp_path).max_queue) == ("json", 7)


@pytest.mark.parametrize("text", ["true", "1", "YES", "on"])
def test_a_boolean_may_be_written_in_several_ways(tmp_path: Path, text: str) -> None:
    """Whatever their case."""
    assert from_environment(tmp_path, ALLOW_PLAINTEXT=text).allow_plaintext is True


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"BINDD": "x"}, "MAILSVC_BINDD is not a setting of mailsvc; did you mean MAILSVC_BIND?"),
        ({"NONSENSE": "x"}, "MAILSVC_NONSENSE is not a setting of mailsvc."),
        ({"API_KEY_FILE": "/none"}, "MAILSVC_API_KEY_FILE names a file that can't be read"),
        ({"BIND": "127.0.0.1"}, "MAILSVC_BIND must be"),
        ({"BIND": "127.0.0.1:0"}, "MAILSVC_BIND must be"),
        ({"API_KEY": "short"}, "MAILSVC_API_KEY must be"),
        ({"SECRET_KEY": " , "}, "MAILSVC_SECRET_KEY must"),
        ({"WEBHOOK_SECRET": "whsec_" + base64.b64encode(b"x" * 23).decode()}, "MAILSVC_WEBHOOK_SECRET can't be used"),
        ({"WEBHOOK_SECRET": base64.b64encode(b"x" * 32).decode()}, "MAILSVC_WEBHOOK_SECRET can't be used"),
        ({"SECRET_KEY": "abc"}, "MAILSVC_SECRET_KEY must"),
        ({"SECRET_KEY": "x" * 32 + ",abc"}, "MAILSVC_SECRET_KEY must"),
        ({"DATABASE_URL": "postgresql+psycopg://u:sekret@ss@h/x"}, "MAILSVC_DATABASE_URL is not a URL"),
        ({"DATABASE_URL": "postgresql+psycopg://u:sekret%zz@h/x"}, "MAILSVC_DATABASE_URL has a %"),
        ({"DATABASE_URL": "postgresql+psycopg://u:sekret@h/x?sekret"}, "MAILSVC_DATABASE_URL is not a URL"),
        ({"DATABASE_URL": "postgresql+psycopg://u:s%FFekret@h/x"}, "MAILSVC_DATABASE_URL has a %"),
        ({"RELAY_URL": "smtp://u:sekret%4@h"}, "MAILSVC_RELAY_URL has a %"),
        ({"WEBHOOK_URL": "https://h/hook?token=sekret%"}, "MAILSVC_WEBHOOK_URL has a %"),
        ({"PUBLIC_URL": "mail.app.test"}, "MAILSVC_PUBLIC_URL must be a URL"),
        ({"PUBLIC_URL": "https://mail.app.test/"}, "MAILSVC_PUBLIC_URL must be a URL"),
        ({"SOFT_BOUNCE_LIMIT": "5"}, "MAILSVC_SOFT_BOUNCE_LIMIT must be such as 5/14d"),
        ({"SOFT_BOUNCE_LIMIT": "0/14d"}, "MAILSVC_SOFT_BOUNCE_LIMIT must be such as 5/14d"),
        ({"SOFT_BOUNCE_LIMIT_FILE": "/none"}, "MAILSVC_SOFT_BOUNCE_LIMIT_FILE names a file"),
        ({"MAX_INBOUND_BYTES": "0"}, "MAILSVC_MAX_INBOUND_BYTES must be at least 1"),
        ({"PORT": "8025"}, "MAILSVC_PORT is not a setting"),
        ({"PORT": "tcp://sekret"}, "MAILSVC_PORT is not a setting"),
        ({"SERVICE_HOST": "0.0.0.0:25"}, "MAILSVC_SERVICE_HOST is not a setting"),
        ({"SERVICE_PORT": "yes"}, "MAILSVC_SERVICE_PORT is not a setting"),
        ({"BIND_PORT": "8025"}, "MAILSVC_BIND_PORT is not a setting"),
        ({"PORT_8025": "tcp://10.0.0.1:8025"}, "MAILSVC_PORT_8025 is not a setting"),
        ({"DATABASE_URL": "mysql://x"}, "MAILSVC_DATABASE_URL must begin"),
        ({"DATABASE_URL": "sqlite:///"}, "MAILSVC_DATABASE_URL must name a file"),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "MAILSVC_DATABASE_URL must name a file"),
        ({"DATABASE_URL": "postgresql+psycopg://u:sekret@h:port/x"}, "MAILSVC_DATABASE_URL is not a URL"),
        ({"MAX_RECIPIENTS": "0"}, "MAILSVC_MAX_RECIPIENTS must be at least 1"),
        ({"MAX_QUEUE": "9" * 309}, "MAILSVC_MAX_QUEUE must be at most 1000000000000"),
        ({"RATE_PER_KEY": "9" * 309 + "/s"}, "MAILSVC_RATE_PER_KEY must be from 1/d to 10000/s"),
        ({"RATE_PER_KEY": "10001/s"}, "MAILSVC_RATE_PER_KEY must be from 1/d to 10000/s"),
        ({"RATE_PER_KEY": "0.5/d"}, "MAILSVC_RATE_PER_KEY must be from 1/d to 10000/s"),
        ({"RATE_PER_KEY": "nan/s"}, "MAILSVC_RATE_PER_KEY must be a number a second"),
        ({"MAX_QUEUE": "-1"}, "MAILSVC_MAX_QUEUE must not be negative"),
        ({"MAX_QUEUE": "many"}, "MAILSVC_MAX_QUEUE must be a whole number"),
        ({"RATE_PER_KEY": "10"}, "MAILSVC_RATE_PER_KEY must be a number a second"),
        ({"AUTO_MIGRATE": "maybe"}, "MAILSVC_AUTO_MIGRATE must be true or false"),
    ],
)
def test_an_invalid_value_is_reported_by_name(tmp_path: Path, given: dict[str, str], said: str) -> None:
    """In one sentence, without what may be secret."""
    with pytest.raises(BadSetting) as refused:
        from_environment(tmp_path, **given)

    assert str(refused.value).startswith(said)
    assert "sekret" not in str(refused.value)
    assert not str(refused.value).endswith("?.")


@pytest.mark.parametrize(
    "rest",
    [
        "db.test/shop",
        "u@db.test/shop",
        "u:pw@db.test/shop",
        "u:pw@db.test:5432/shop",
        "u:pw@[::1]/shop",
        "[::1]:5432/shop",
    ]
    + ["u:pw@/shop?host=/run/postgresql", "u:pw@db.test/shop?application_name=a@b:c/d"],
)
def test_the_port_and_the_user_of_a_database_need_not_be_named(rest: str) -> None:
    url = f"postgresql+psycopg://{rest}"

    assert Settings(database_url=url, listen_url=url).database_url == url


@pytest.mark.parametrize("service", ["", "HTTP_", "POSTGRES_REPLICA_"])
@pytest.mark.parametrize("address", ["10.43.0.17", "fd00:10:96::a"])
def test_variables_set_by_kubernetes_are_ignored(tmp_path: Path, service: str, address: str) -> None:
    """A Service named mailsvc, or mailsvc-http, puts these into every pod of its namespace."""
    shown = f"[{address}]" if ":" in address else address
    given = {
        "SERVICE_HOST": address, "SERVICE_PORT": "8025", "SERVICE_PORT_HTTP_API": "8025",
        "PORT": f"tcp://{shown}:8025", "PORT_8025_TCP": f"tcp://{shown}:8025", "PORT_8025_TCP_PROTO": "tcp",
        "PORT_8025_TCP_PORT": "8025", "PORT_8025_TCP_ADDR": address, "PORT_53_UDP": f"udp://{shown}:53",
    }  # fmt: skip

    assert from_environment(tmp_path, **{service + name: value for name, value in given.items()}) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mailsvc_bindd = 1", "mailsvc_bindd in "),
        ("bind =", "mailsvc.toml can't be read"),
        ("[relay]\nurl = 1", "relay in "),
        ("bind = ['x']", "must be text, a number, true or false"),
    ],
)
def test_an_error_in_the_toml_is_reported(tmp_path: Path, text: str, said: str) -> None:
    """As one in the environment is."""
    (tmp_path / "mailsvc.toml").write_text(text)

    with pytest.raises(BadSetting, match=said.replace(".", r"\.")):
        from_environment(tmp_path)


def test_a_relay_url_configures_every_option() -> None:
    """User and password are percent-encoded."""
    url = (
        "smtps://us%40er:p%3Aw%2F@smtp.example.test?rate=14/s&verp=no&max_connections=3&return_path=b@app.test"
        "&max_recipients=20&pipelining=off&ehlo=app.example.test"
    )

    assert parse_relay_url(url) == {
        "host": "smtp.example.test", "port": 465, "tls": "implicit", "username": "us@er", "password": "p:w/",
        "rate": "14/s", "verp": False, "max_connections": 3, "return_path": "b@app.test",
        "max_recipients": 20, "pipelining": "off", "ehlo": "app.example.test",
    }  # fmt: skip
    assert parse_relay_url("smtp://[::1]:25") == {
        "host": "::1", "port": 25, "tls": "starttls", "username": None, "password": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "smtp://user:sekret:x@smtp.example.test:sekret", "smtp://user:sek?sekret=1@smtp.example.test",
        "smtp://user:p@sekret@smtp.example.test:port", f"{RELAY}?sekret=1", f"{RELAY}?rate=sekret", f"{RELAY}?ca=/sekret",
        f"{RELAY}?tls=sekret", f"{RELAY}?verp=sekret", f"{RELAY}?max_connections=sekret", "sekret:x@smtp.example.test",
        "smtp://user:p#sekret@smtp.example.test", "smtp://[sekret@smtp.example.test", "smtp://sekret@smtp.example.test",
        "smtp://user:p?a=b&tls=sekret@smtp.example.test",
    ],
)  # fmt: skip
def test_an_error_about_a_url_shows_no_secret(url: str) -> None:
    """What stands before the last @, and in the query, may be a part of a password."""
    with pytest.raises((BadSetting, Invalid)) as refused:
        validate_relay(NewRelay(**{"name": "x", "default": True, **parse_relay_url(url)}), allow_plaintext=False)

    assert "sekret" not in str(refused.value)


@pytest.mark.parametrize(
    "option",
    ["tls=bogus", "tls=", "tls=STARTTLS", "auth=magic", "auth=", "pipelining=on", "max_recipients=many", "ca="],
)
def test_an_unknown_relay_option_is_rejected(option: str) -> None:
    """Above all a TLS mode: one that nobody knows must not become none."""
    with pytest.raises(BadSetting, match=f"{option.partition('=')[0]}="):
        parse_relay_url(f"{RELAY}?{option}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("smtp.example.test", "must look like"),
        ("http://smtp.example.test", "must look like"),
        (f"{RELAY}:0", "is not a URL"),
        (f"{RELAY}:587/path", "percent-encoded"),
        ("smtp://user:25#x@smtp.example.test", "percent-encoded"),
        ("smtp://user:pass/word@smtp.example.test", "percent-encoded"),
        ("smtp://user:p%FF@smtp.example.test", "UTF-8"),
        ("smtp://user@smtp.example.test", "no password"),
    ],
)
def test_an_invalid_relay_url_is_explained(url: str, said: str) -> None:
    """A password with a special character is the usual reason."""
    with pytest.raises(BadSetting, match=said) as refused:
        parse_relay_url(url)

    assert "MAILSVC_RELAY_URL" in str(refused.value)


def test_the_ca_of_webhooks_is_read_and_checked(tmp_path: Path) -> None:
    """A path, whose contents must be certificates."""
    good, bad = tmp_path / "ca.pem", tmp_path / "key.pem"
    good.write_text(trustme.CA().cert_pem.bytes().decode())
    bad.write_text("not a certificate")

    assert "BEGIN CERTIFICATE" in (from_environment(tmp_path, WEBHOOK_CA=str(good)).webhook_ca or "")
    for path in (bad, tmp_path / "missing"):
        with pytest.raises(BadSetting, match="MAILSVC_WEBHOOK_CA"):
            from_environment(tmp_path, WEBHOOK_CA=str(path))
