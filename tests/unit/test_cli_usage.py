"""How the commands are used and misused, without a service."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mailsvc.cli import _mailsvc, bench
from mailsvc.cli.client import explain_problem
from mailsvc.cli.figures import read_figures
from mailsvc.cli.find_service import find_service
from mailsvc.cli.message_input import letter_of, members
from mailsvc.cli.show import age, one_line
from tests.support.shell import clean_environment, mailsvc


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


ALL = list(_commands(_mailsvc))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    """--help says what it does and shows a line that could be typed."""
    said = CliRunner().invoke(_mailsvc, [*path, "--help"])

    assert (said.exit_code, command.help is not None) == (0, True)
    assert f"Example: mailsvc {path[0]}" in said.output


@pytest.mark.parametrize("path", [path for path, c in ALL if not isinstance(c, click.Group)], ids=" ".join)
def test_every_command_has_json_output(path: tuple[str, ...]) -> None:
    """--json is an option of all of them."""
    assert "--json" in CliRunner().invoke(_mailsvc, [*path, "--help"]).output


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["queue", "--nonsense"],
        ["queue", "--url", "ftp://x", "--key", "k"],
        ["queue", "--url", "http://127.0.0.1:1", "--key", "two words"],
        ["relay", "add"],
        ["send", "--url", "http://127.0.0.1:1", "--key", "k", "--header", "no-colon"],
        ["key", "create", "--scope", "everything"],
        ["key", "create", "--network", "10.0.0.0/99"],
    ],
)
def test_usage_errors_have_their_own_exit_code(arguments: list[str]) -> None:
    """2, and a sentence on stderr."""
    said = CliRunner().invoke(_mailsvc, arguments)

    assert (said.exit_code, said.stdout) == (2, "")
    assert "Error: " in said.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"BINDD": "x"}, "MAILSVC_BINDD"),
        ({"LEASE_SECONDS": "soon"}, "MAILSVC_LEASE_SECONDS"),
        ({"DATABASE_URL": "postgresql+psycopg://127.0.0.1:1/none"}, "MAILSVC_DATABASE_URL"),
    ],
)
def test_a_bad_setting_is_one_sentence(tmp_path: Path, settings: dict[str, str], named: str) -> None:
    """Exit code 2 and one line that names it, never a traceback."""
    said = mailsvc("key", "list", environment=clean_environment(**settings), directory=tmp_path)

    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert named in said.err


@pytest.mark.parametrize("arguments", [["queue"], ["send", "--to", "a@b.test", "--text", "Hi"], ["relay", "list"]])
def test_an_unreachable_service_is_reported_with_advice(tmp_path: Path, arguments: list[str]) -> None:
    """Exit code 1, and how to start it, whether or not a key is known."""
    said = mailsvc(*arguments, environment=clean_environment(URL="http://127.0.0.1:1"), directory=tmp_path)

    assert said.code == 1
    assert "not running at http://127.0.0.1:1: start it with mailsvc serve" in said.err


def test_keys_are_not_made_in_a_database_that_does_not_exist(tmp_path: Path) -> None:
    """A misspelt data directory is told instead of filled."""
    said = mailsvc("key", "create", environment=clean_environment(), directory=tmp_path)

    assert said.code == 1
    assert ("run mailsvc migrate" in said.err, list(tmp_path.iterdir())) == (True, [])


def test_the_doctor_reports_what_is_missing_and_creates_nothing(tmp_path: Path) -> None:
    """It tells each missing thing, makes none of them, and fails."""
    said = mailsvc("doctor", "--json", environment=clean_environment(BIND="127.0.0.1:1"), directory=tmp_path)
    wrong = {f["check"] for f in said.json["findings"] if f["level"] == "problem"}

    assert (said.code, said.json["ok"], wrong) == (1, False, {"data directory", "database", "service"})
    assert list(tmp_path.iterdir()) == []


def test_the_benchmarks_need_the_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package says so in one sentence."""
    monkeypatch.setattr(bench, "TREE", tmp_path)

    said = CliRunner().invoke(_mailsvc, ["bench"])

    assert (said.exit_code, said.stderr.count("\n")) == (1, 1)
    assert "source tree" in said.stderr


@pytest.fixture
def own_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data directory with a key."""
    (tmp_path / "mailsvc-data").mkdir()
    (tmp_path / "mailsvc-data" / "api-key").write_text("mk_of_this_host\n")
    monkeypatch.chdir(tmp_path)
    for name in ("MAILSVC_URL", "MAILSVC_API_KEY", "MAILSVC_DATA_DIR", "MAILSVC_BIND"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (None, "mk_of_this_host"),
        ("http://localhost:8025", "mk_of_this_host"),
        ("http://[::1]:8025", "mk_of_this_host"),
        ("https://mail.example.test", None),
        ("http://127.0.0.1.example.test", None),
    ],
)
def test_the_local_key_is_never_sent_to_another_host(own_host: None, url: str | None, key: str | None) -> None:
    """Only a service on this host is sent the data directory's key."""
    assert find_service(url, None).key == key


def test_a_service_bound_to_all_addresses_is_reached_on_loopback(
    own_host: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.0.0.0 is where it listens, not where it is."""
    monkeypatch.setenv("MAILSVC_BIND", "0.0.0.0:9000")

    assert find_service(None, None).url == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    "content",
    [b'[{"to": "a"}, {"to": "b"}]', b'{"messages": [{"to": "a"}, {"to": "b"}]}', b'{"to": "a"}\n\n{"to": "b"}\n'],
)
def test_several_messages_are_given_as_a_list_or_one_per_line(content: bytes) -> None:
    """The options are added to each, and win."""
    letter = letter_of(content, {"subject": "Hi"})

    assert letter.messages == ({"to": "a", "subject": "Hi"}, {"to": "b", "subject": "Hi"})


def test_a_raw_message_takes_envelope_and_delivery_options() -> None:
    """Its headers are its own; all else becomes an argument of the API."""
    mail = b"From: a@app.test\n\nHi\n"
    given = {"from": "x@app.test", "to": ["b@c.test"], "relay": "main", "tags": ["a", "b"], "metadata": {"order": "17"}}

    assert letter_of(mail, given | {"expires_in": 60}).arguments == (
        ("from", "x@app.test"), ("relay", "main"), ("expires_in", "60"), ("to", "b@c.test"), ("tag", "a"), ("tag", "b"),
        ("metadata.order", "17"),
    )  # fmt: skip
    with pytest.raises(click.UsageError, match="its own subject"):
        letter_of(mail, {"subject": "Hi"})


def options(**given: object) -> dict[str, object]:
    lists = ("to", "cc", "bcc", "reply_to", "tags", "headers", "metadata", "files")
    texts = ("sender", "subject", "text", "html", "relay", "priority", "on_uncertain", "scheduled_at", "expires_in")
    return dict.fromkeys(lists, ()) | dict.fromkeys(texts) | given


def test_a_header_option_given_twice_adds_two_headers() -> None:
    """In the order given; of metadata, one value would be lost."""
    assert members(options(headers=("X-Tag: a", "X-B:c", "X-Tag:b")))["headers"] == {"X-Tag": ["a", "b"], "X-B": ["c"]}
    with pytest.raises(click.UsageError, match="twice"):
        members(options(metadata=("a=1", "a=2")))


@pytest.mark.parametrize("content", [b"{", b"[]", b"[1]", b'{"messages": 3}'])
def test_json_that_is_not_a_message_is_a_usage_error(content: bytes) -> None:
    """It is told before anything is sent."""
    with pytest.raises(click.UsageError):
        letter_of(content, {})


def test_every_invalid_field_is_shown() -> None:
    """One line each; a single one needs no list."""
    errors = [{"field": "to.0", "detail": "is wrong"}, {"field": "subject", "detail": "too"}]

    assert explain_problem({"title": "T", "detail": "d", "errors": errors}) == "T\n  to.0: is wrong\n  subject: too"
    assert explain_problem({"title": "T", "detail": "to.0: is wrong", "errors": errors[:1]}) == "to.0: is wrong"


def test_a_server_reply_cannot_control_the_terminal() -> None:
    """Escape sequences and line ends become blanks."""
    assert one_line("550 \x1b[2Jno\r\nsuch \u202euser") == "550  [2Jno  such  user"


@pytest.mark.parametrize(("seconds", "shown"), [(4, "4 s"), (90, "1.5 min"), (7200, "2 h"), (200_000, "2.3 d")])
def test_ages_are_shown_in_a_fitting_unit(seconds: float, shown: str) -> None:
    """One number and its unit."""
    assert age(seconds) == shown


def test_figures_are_read_with_their_labels() -> None:
    """Comments are skipped."""
    text = '# HELP a b\nmailsvc_queue_deliveries{state="due"} 3.0\nmailsvc_webhook_backlog 1e+06\n'

    assert read_figures(text) == {'mailsvc_queue_deliveries{state="due"}': 3.0, "mailsvc_webhook_backlog": 1e6}
    assert json.dumps(read_figures("")) == "{}"
