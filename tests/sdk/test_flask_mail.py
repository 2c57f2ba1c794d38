"""Flask-Mail's and Flask-Mailman's applications, with mailsvc behind them."""

import inspect
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import flask
import flask_mail as original
import flask_mailman
import pytest

from mailsvc_sdk import MailsvcError
from mailsvc_sdk import flask_mail as ours
from mailsvc_sdk.testing import FakeMail
from tests.sdk.test_django import parts


@pytest.fixture
def app() -> Iterator[flask.Flask]:
    app = flask.Flask(__name__)
    app.config.update(MAIL_DEFAULT_SENDER=("Shop", "shop@app.test"), MAILSVC_TAGS="flask", MAIL_SERVER="ignored")
    with app.app_context():
        yield app


@pytest.fixture
def mail(app: flask.Flask) -> ours.Mail:
    return ours.Mail(app)


def rich(module: Any) -> Any:
    message = module.Message(
        "Grüße", ["alice@example.test", ("Bob", "bob@example.test")], "Text ü", "<p>ü</p>", cc=["c@example.test"]
    )
    message.add_recipient("dora@example.test")
    message.bcc = ["hidden@example.test"]
    message.extra_headers = {"X-Order": "17"}
    message.attach("ä.pdf", "application/pdf", b"%PDF", headers={"Content-ID": "<x>"})
    return message


def test_the_names_and_parameters_are_flask_mails() -> None:
    for name in set(ours.__all__) - {"email_dispatched"}:
        theirs, here = getattr(original, name), getattr(ours, name)
        if not isinstance(theirs, type) or name in {"Message", "Attachment"}:
            assert list(inspect.signature(here).parameters) == list(inspect.signature(theirs).parameters)
        public = {member for member in vars(theirs) if not member.startswith("_")} - {
            "is_bad_headers",
            "configure_host",
            "init_mail",
        }
        assert public <= set(dir(here)), name
    assert ours.email_dispatched is original.email_dispatched


def test_a_message_is_made_as_flask_mail_makes_it(app: flask.Flask, mail: ours.Mail) -> None:
    here = rich(ours).as_bytes()
    app.extensions["mail"] = original.Mail().init_mail(app.config)
    there = rich(original).as_bytes()
    made, wanted = (message_from_bytes(data, policy=policy.default) for data in (here, there))

    assert parts(made) == parts(wanted)
    for name in ("From", "Cc", "Subject", "X-Order", "Bcc"):
        assert made.get_all(name) == wanted.get_all(name)
    assert sorted(made["To"].split(", ")) == sorted(wanted["To"].split(", "))


def test_it_is_sent_by_mailsvc(mail: ours.Mail, mailsvc: FakeMail) -> None:
    message = rich(ours)
    message.tags, message.metadata, message.idempotency_key = ["receipt"], {"order": "17"}, "order-17"
    mail.send(message)
    mail.send(message)
    (sent,) = mailsvc.outbox

    assert (sent.id, sent.tags, sent.metadata) == (message.mailsvc_id, ["flask", "receipt"], {"order": "17"})
    assert sorted(sent.recipients) == [
        "alice@example.test",
        "bob@example.test",
        "c@example.test",
        "dora@example.test",
        "hidden@example.test",
    ]
    assert (sent.bcc, sent.subject, sent.html.strip()) == (["hidden@example.test"], "Grüße", "<p>ü</p>")
    assert sent.from_ == "shop@app.test"


def test_the_documentations_examples_hold(app: flask.Flask, mail: ours.Mail, mailsvc: FakeMail) -> None:
    with mail.record_messages() as outbox, mail.connect() as connection:
        for user in ("a", "b"):
            connection.send(ours.Message(recipients=[f"{user}@example.test"], body="…", subject=f"hello, {user}"))
        mail.send_message(subject="testing", body="test", recipients=["c@example.test"])

    assert [message.subject for message in outbox] == ["hello, a", "hello, b", "testing"]
    assert len(mailsvc.outbox) == 3
    assert app.extensions["mail"].default_sender == mail.default_sender == ("Shop", "shop@app.test")


def test_in_tests_nothing_is_sent_but_the_signal(app: flask.Flask, mailsvc: FakeMail) -> None:
    app.testing = True
    mail = ours.Mail(app)
    with mail.record_messages() as outbox:
        mail.send_message("testing", ["c@example.test"], "x")

    assert (len(outbox), mailsvc.outbox) == (1, [])


@pytest.mark.parametrize(
    "bad",
    [
        {"subject": "a\nb"},
        {"subject": "a\r\nb"},
        {"sender": "a@x.test\r\n"},
        {"reply_to": "a\n@x.test"},
        {"subject": "\r\n a"},
    ],
)
def test_a_line_break_in_a_header_is_refused(mail: ours.Mail, mailsvc: FakeMail, bad: dict[str, Any]) -> None:
    message = ours.Message(recipients=["a@example.test"], body="x", **bad)

    assert (
        message.has_bad_headers() == original.Message(recipients=["a@example.test"], body="x", **bad).has_bad_headers()
    )
    with pytest.raises(ours.BadHeaderError):
        mail.send(message)
    assert mailsvc.outbox == []


def test_a_folded_subject_is_sent_and_the_rest_is_asserted(mail: ours.Mail, app: flask.Flask) -> None:
    assert not ours.Message("a\r\n b", ["a@example.test"]).has_bad_headers()
    with pytest.raises(AssertionError):
        mail.send(ours.Message("x", sender="a@x.test"))
    mail.state.default_sender = None
    with pytest.raises(AssertionError):
        mail.send(ours.Message("x", ["a@example.test"]))
    with pytest.raises(ValueError):
        ours.Attachment("a.txt")
    app.extensions.pop("mail")
    with pytest.raises(RuntimeError, match="not configured"):
        mail.connect()


def test_trouble_comes_as_a_mailsvc_error(mail: ours.Mail, mailsvc: FakeMail) -> None:
    mailsvc.fail(status=403)
    with pytest.raises(MailsvcError):
        mail.send_message("x", ["a@example.test"], "x")


def test_flask_mailman_needs_one_setting(app: flask.Flask, mailsvc: FakeMail) -> None:
    app.config.update(MAIL_BACKEND="mailsvc_sdk.flask_mailman", MAIL_DEFAULT_SENDER="shop@app.test")
    mail = flask_mailman.Mail(app)
    assert mail.send_mail("Grüße", "Text", None, ["alice@example.test"], html_message="<p>x</p>") == 1
    message = flask_mailman.EmailMessage("Hi", "Text", "shop@app.test", ["a@example.test"], bcc=["b@example.test"])
    message.tags = ["receipt"]
    assert message.send() == 1
    first, second = mailsvc.outbox

    assert (first.subject, first.html.strip(), first.tags) == ("Grüße", "<p>x</p>", ["flask"])
    assert (second.bcc, second.tags, second.id) == (["b@example.test"], ["flask", "receipt"], message.mailsvc_id)
    mailsvc.fail(2, status=403)
    assert mail.send_mail("x", "x", None, ["a@example.test"], fail_silently=True) == 0
    with pytest.raises(MailsvcError):
        mail.send_mail("x", "x", None, ["a@example.test"])
    with pytest.raises(flask_mailman.BadHeaderError):
        mail.send_mail("x\ny", "x", None, ["a@example.test"], fail_silently=True)
