"""The log: nothing in it steers a terminal, and nothing in it is secret."""

import json
import logging

import pytest

from mailsvc.telemetry import _Console, _Json, facts, redact

STEERING = "a\x1b[2Jb\rc\nd\x9be\x7ff\u202eg\u2028h\x00i\udc80"


def record(said: str, error: Exception | None = None) -> logging.LogRecord:
    made = logging.LogRecord("mailsvc", logging.WARNING, "", 0, said, (), error and (type(error), error, None))
    made.__dict__.update(facts(reply=said))
    return made


@pytest.mark.parametrize("formatter", [_Console(), _Json()])
def test_logged_server_text_cannot_control_a_terminal(formatter: logging.Formatter) -> None:
    """In text, facts and errors; it can still be read."""
    line = formatter.format(record(STEERING, ValueError(STEERING)))

    assert all(c.isprintable() or c == "\n" for c in line)
    assert line.count("\n") <= STEERING.count("\n") + 2
    assert "\\u001b[2Jb" in line


def test_json_logs_keep_the_original_text() -> None:
    """Escapes are those of JSON."""
    assert json.loads(_Json().format(record(STEERING)))["reply"] == STEERING


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at smtp://user:sek@ret@host:587, later", "at smtp://********@host:587, later"),
        ("postgresql://sekret@host/x", "postgresql://********@host/x"),
        ('{"url": "https://host/hook?token=sekret"}', '{"url": "https://host/hook?********"}'),
        ("(https://host/hook?a=1&token=sekret)", "(https://host/hook?********)"),
        ("https://host/path", "https://host/path"),
        ("Bearer mk_sekretsekret", "Bearer ********"),
    ],
)
def test_secrets_in_urls_are_not_logged(text: str, shown: str) -> None:
    """What stands before the last @, and in the query."""
    assert redact(text) == shown
