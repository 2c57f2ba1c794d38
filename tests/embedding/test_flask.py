"""mailsvc in Flask applications: the API below a prefix, sending, callbacks, and the commands."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, request
from flask.testing import FlaskClient

from mailsvc.embedding import Service, mounted
from mailsvc.errors import SettingsError, ValidationError
from mailsvc.flask import Access, Mailsvc
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

LETTER = {"from": "shop@app.test", "to": "alice@example.test", "subject": "Hello", "text": "It works."}

MakeApp = Callable[..., tuple[Flask, Mailsvc]]


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Makes applications with the extension; their services are stopped at the end."""
    made: list[Service] = []

    def make(name: str = "data", *, authorize: Any = None, **config: Any) -> tuple[Flask, Mailsvc]:
        app = Flask(name)
        app.config.update({"MAILSVC_DATA_DIR": tmp_path / name, **config})
        mail = Mailsvc(app, authorize=authorize)
        made.append(app.extensions["mailsvc"])
        app.add_url_rule("/", "home", lambda: "the shop")
        return app, mail

    yield make
    for service in made:
        service.stop()


def key_of(mail: Mailsvc) -> dict[str, str]:
    """The field that authorizes requests of the first key."""
    return {"Authorization": f"Bearer {(mail.service.settings.data_dir / 'api-key').read_text().strip()}"}


def tables_of(mail: Mailsvc) -> set[str]:
    """The names of the tables in the embedded database."""
    with closing(sqlite3.connect(mail.service.settings.data_dir / "mailsvc.db")) as database:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}


class FormCheck:
    """An extension that wants a token with each form, as Flask-WTF's CSRFProtect does."""

    def __init__(self) -> None:
        self.exempt_names: set[str] = set()

    def init_app(self, app: Flask) -> None:
        app.extensions["csrf"] = self
        app.before_request(self.protect)

    def exempt(self, blueprint: Blueprint) -> None:
        self.exempt_names.add(blueprint.name)

    def protect(self) -> None:
        if request.method == "POST" and request.blueprint not in self.exempt_names:
            abort(400, "the token is missing")


class TestApi:
    def test_it_answers_below_the_prefix_with_a_key(self, make_app: MakeApp) -> None:
        """As the service's own port does, problems included."""
        app, mail = make_app(TESTING=True)
        client = app.test_client()
        without = client.post("/mail/v1/messages", json=LETTER)
        accepted = client.post("/mail/v1/messages", json=LETTER, headers=key_of(mail))
        wrong = client.post("/mail/v1/messages", json={**LETTER, "to": "nobody"}, headers=key_of(mail))

        assert (without.status_code, without.content_type) == (401, "application/problem+json")
        assert accepted.status_code == 202
        assert wrong.json is not None
        assert (wrong.status_code, wrong.json["errors"][0]["field"]) == (422, "to")
        assert client.get(f"/mail/v1/messages/{accepted.json['id']}", headers=key_of(mail)).status_code == 200  # type: ignore[index]
        assert [client.get(f"/mail/{path}").status_code for path in ("healthz", "docs", "metrics")] == [200] * 3
        assert client.get("/mail/openapi.yaml").text.splitlines()[-1]
        assert "url: /mail" in client.get("/mail/openapi.yaml").text

    def test_everything_else_is_the_applications(self, make_app: MakeApp) -> None:
        """Its pages, its errors, its session."""
        app, _ = make_app(TESTING=True, SECRET_KEY="s")
        app.register_error_handler(404, lambda _: ("nothing here", 404))
        client = app.test_client()

        assert client.get("/").text == "the shop"
        assert client.get("/elsewhere").text == "nothing here"
        assert "Set-Cookie" not in client.get("/mail/healthz").headers

    def test_the_application_may_let_requests_in_itself(self, make_app: MakeApp) -> None:
        """In place of keys: with an app and scopes, with nothing, or with an error of its own."""

        def authorize(of: Any) -> Access | None:
            assert of is request._get_current_object()  # type: ignore[attr-defined]
            who = of.headers.get("X-User")
            if who == "banned":
                abort(403, "banned here")
            return {"reader": Access(scopes=("read",)), "shop": Access(), "lost": Access(app="nowhere")}.get(who)

        app, _ = make_app(TESTING=True, authorize=authorize)

        def post(who: str) -> Any:
            return app.test_client().post("/mail/v1/messages", json=LETTER, headers={"X-User": who})

        answers = {who: post(who) for who in ("shop", "reader", "stranger", "lost", "banned")}
        assert {who: a.status_code for who, a in answers.items()} == {
            "shop": 202,
            "reader": 403,
            "stranger": 401,
            "lost": 403,
            "banned": 403,
        }
        assert answers["stranger"].headers["WWW-Authenticate"].startswith("Bearer")
        assert answers["banned"].content_type.startswith("text/html")

    def test_a_hook_of_the_application_may_have_read_the_body(self, make_app: MakeApp) -> None:
        """One that logs requests, or ``authorize`` itself."""
        seen: list[int] = []
        app, _ = make_app(TESTING=True, authorize=lambda of: Access() if of.get_json() else None)
        app.before_request(lambda: seen.append(len(request.get_data())))

        assert app.test_client().post("/mail/v1/messages", json=LETTER).status_code == 202
        assert seen[0] > 0

    @pytest.mark.parametrize("is_first", [True, False])
    def test_it_is_exempt_from_checks_of_forms(self, tmp_path: Path, is_first: bool) -> None:
        """By Flask-WTF's interface, whichever extension is initialised first."""
        app, forms = Flask("forms"), FormCheck()
        app.config.update(MAILSVC_DATA_DIR=tmp_path / "data", TESTING=True)
        app.add_url_rule("/form", "form", lambda: "taken", methods=["POST"])
        for extension in (forms.init_app, Mailsvc(authorize=lambda _: Access()).init_app)[:: 1 if is_first else -1]:
            extension(app)
        client = app.test_client()

        assert client.post("/mail/v1/messages", json=LETTER).status_code == 202
        assert client.post("/form").status_code == 400

    def test_a_database_that_is_away_is_a_problem_of_its_own_paths(self, make_app: MakeApp) -> None:
        """Which does not tell strangers where the database is."""
        app, _ = make_app(MAILSVC_DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none")
        app.register_error_handler(Exception, lambda _: ("the shop failed", 500))
        client = app.test_client()
        answers = [client.get(f"/mail/{path}") for path in ("v1/messages", "healthz", "readyz")]

        assert {(answer.status_code, answer.content_type) for answer in answers} == {(503, "application/problem+json")}
        assert (answers[0].json["code"], "127.0.0.1" in answers[0].text) == ("unavailable", False)  # type: ignore[index]
        assert client.get("/").text == "the shop"

    def test_a_client_can_not_let_itself_in(self, make_app: MakeApp) -> None:
        app, _ = make_app(TESTING=True)
        names = ("mailsvc.access", "Mailsvc-Access", "Mailsvc.Access")

        def get(client: FlaskClient, name: str) -> int:
            return client.get("/mail/v1/messages", headers={name: "Access(app='default')"}).status_code

        assert {get(app.test_client(), name) for name in names} == {401}

    @pytest.mark.timeout(20)
    def test_a_long_poll_does_not_hold_a_worker_for_long(
        self, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However long it asks to wait."""
        monkeypatch.setattr(mounted, "WSGI_WAIT", 0)
        app, _ = make_app(TESTING=True, authorize=lambda _: Access())

        assert app.test_client().get("/mail/v1/events?after=now&wait=30").json["data"] == []  # type: ignore[index]


class TestService:
    def test_the_first_request_starts_it_and_mail_is_sent(self, make_app: MakeApp, receiver: Receiver) -> None:
        app, mail = make_app(MAILSVC_RELAY_URL=receiver.relay_url)
        told: list[str] = []

        @mail.on("message.sent", name="sent")
        def sent(event: Any) -> None:
            told.append(event.data["message_id"])

        assert not mail.service.is_running
        assert app.test_client().get("/").text == "the shop"
        assert mail.service.is_running
        receipt = mail.send(from_="shop@app.test", to="alice@example.test", subject="Hello", text="It works.")
        wait_until(lambda: told == [receipt.id])

        assert receiver.received().total() == 1

    def test_requests_that_come_together_wait_for_the_first_start(self, make_app: MakeApp) -> None:
        """On a new database, each of them may write a mail."""
        app, mail = make_app(MAILSVC_RELAY_URL="smtp://127.0.0.1:1?tls=none", MAILSVC_ROLES=())
        found: list[set[str]] = []
        app.add_url_rule("/tables", "tables", lambda: found.append(tables_of(mail)) or "")
        together = [threading.Thread(target=app.test_client().get, args=["/tables"]) for _ in range(8)]
        for each in together:
            each.start()
        for each in together:
            each.join()

        assert len(found) == 8
        assert all("mailsvc_submission" in tables for tables in found)

    def test_nothing_starts_in_tests_and_commands(self, make_app: MakeApp) -> None:
        """What is sent waits in the database."""
        app, mail = make_app(TESTING=True)
        app.test_client().get("/")
        mail.send(LETTER)
        app.test_cli_runner().invoke(args=["routes"])

        assert not mail.service.is_running

    def test_a_service_that_can_not_start_leaves_the_pages_alone(self, make_app: MakeApp, caplog: Any) -> None:
        app, mail = make_app(MAILSVC_DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none")

        assert app.test_client().get("/").text == "the shop"
        assert not mail.service.is_running
        assert "can't start" in caplog.text

    def test_roles_may_run_elsewhere(self, make_app: MakeApp) -> None:
        app, mail = make_app(MAILSVC_ROLES=())
        app.test_client().get("/")

        assert mail.service.status()["roles"] == []
        assert mail.send(LETTER).status == "queued"

    def test_what_is_wrong_is_told_where_it_is_written(self, make_app: MakeApp) -> None:
        with pytest.raises(SettingsError, match="MAILSVC_LEASE_SECONDS"):
            make_app("one", MAILSVC_LEASE_SECONDS="soon")
        with pytest.raises(SettingsError, match="not a role"):
            make_app("two", MAILSVC_ROLES=("delivery",))
        _, mail = make_app("three", TESTING=True)
        with pytest.raises(ValidationError):
            mail.send(from_="shop@app.test", to="nobody", text="x")

    def test_several_applications_have_services_of_their_own(self, tmp_path: Path) -> None:
        mail, apps = Mailsvc(), [Flask("one"), Flask("two")]
        for app in apps:
            app.config.update(MAILSVC_DATA_DIR=tmp_path / app.name, TESTING=True)
            mail.init_app(app)
            with app.app_context():
                mail.send(LETTER)

        assert (tmp_path / "one" / "mailsvc.db").exists()
        assert (tmp_path / "two" / "mailsvc.db").exists()


class TestCommands:
    def test_they_use_the_applications_settings(self, make_app: MakeApp) -> None:
        app, mail = make_app(TESTING=True)
        runner = app.test_cli_runner()
        sent = runner.invoke(args=["mail", "send", "--from", "shop@app.test", "--to", "a@example.test", "--text", "Hi"])
        queue = runner.invoke(args=["mail", "queue", "--json"])
        doctor = runner.invoke(args=["mail", "doctor"])

        assert sent.exit_code == 0, sent.output
        assert "a@example.test" in queue.output
        assert "mailsvc.db" in doctor.output or "database" in doctor.output
        assert not mail.service.is_running

    def test_their_environment_is_put_back(self, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MAILSVC_DATA_DIR", raising=False)
        app, _ = make_app(TESTING=True)
        app.test_cli_runner().invoke(args=["mail", "queue"])

        import os

        assert "MAILSVC_DATA_DIR" not in os.environ
        assert "MAILSVC_URL" not in os.environ
