"""Django's e-mail through mailsvc, and its webhooks."""

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage as MIME
from email.mime.image import MIMEImage
from typing import Any

import anymail.signals
import django
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection, send_mail, send_mass_mail
from django.test import Client, override_settings

from mailsvc_sdk import Mailsvc, MailsvcError, Retry, ValidationError
from mailsvc_sdk import _shared as shared
from mailsvc_sdk.django import CancelSend, EmailBackend, UnsupportedFeature, signals
from mailsvc_sdk.testing import FakeMail
from tests.sdk import django_project as project
from tests.support.service import Service

# Django 6.1 still takes what it deprecates, and so do we.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
has_mailers = pytest.mark.skipif(django.VERSION < (6, 1), reason="MAILERS came with Django 6.1")
has_backend = pytest.mark.skipif(django.VERSION >= (6, 1), reason="MAILERS is set")


def messages() -> list[EmailMessage]:
    image = MIMEImage(b"\x89PNG\r\n\x1a\n", "png")
    image["Content-ID"] = "<logo>"
    image.add_header("Content-Disposition", "inline", filename="logo.png")
    rich = EmailMultiAlternatives(
        "Grüße", "Text ü", "Shop <shop@app.test>", ["Älice <alice@example.test>"], cc=["c@example.test"]
    )
    rich.attach_alternative("<p>Text ü</p>", "text/html")
    rich.attach("a.pdf", b"%PDF\r\n\n\r", "application/pdf")
    rich.attach("note.txt", "Zeile\nü", "text/plain")
    inline = EmailMultiAlternatives("Inline", "Text", "shop@app.test", ["alice@example.test"], bcc=["b@example.test"])
    inline.attach_alternative('<img src="cid:logo">', "text/html")
    inline.attach(image)
    invite = EmailMultiAlternatives("Invite", "Text", "shop@app.test", ["alice@example.test"])
    invite.attach_alternative("<p>Invite</p>", "text/html")
    invite.attach_alternative("BEGIN:VCALENDAR", "text/calendar")
    html = EmailMessage("HTML", "<p>x</p>", "shop@app.test", ["alice@example.test"], reply_to=["r@app.test"])
    html.content_subtype = "html"
    latin = EmailMessage("Latin", "Grüße", "shop@app.test", ["alice@example.test"])
    latin.encoding = "iso-8859-1"
    given = {"Message-ID": "<own@app.test>", "From": "Other <other@app.test>", "X-Order": "17"}
    own = EmailMessage("Own", "Text", "bounces@app.test", ["alice@example.test"], headers=given)
    plain = EmailMessage("Plain", "Text\n", "shop@app.test", ["alice@example.test"], headers={"X-Order": "17"})
    return [rich, inline, invite, html, latin, own, plain]


def parts(mail: Any) -> list[tuple[Any, ...]]:
    """The leaves: type, disposition, name, id, content."""
    found = []
    for part in mail.walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            if part.get_content_maintype() == "text":
                content = content.decode(part.get_content_charset() or "ascii").replace("\r\n", "\n").rstrip("\n")
            found.append(
                (
                    part.get_content_type(),
                    part.get_content_disposition(),
                    part.get_filename(),
                    part["Content-ID"],
                    content,
                )
            )
    return found


def parsed(data: bytes) -> MIME:
    return message_from_bytes(data, policy=policy.default)


@pytest.fixture
def real(service: Service) -> Any:
    with override_settings(MAILSVC={"URL": service.url, "API_KEY": service.api_key}):
        yield Mailsvc(service.url, api_key=service.api_key)


@pytest.mark.parametrize("index", range(7))
def test_what_leaves_is_what_django_would_send(real: Mailsvc, index: int) -> None:
    message = messages()[index]
    assert message.send() == 1
    sent, wanted = parsed(real.messages.raw(message.mailsvc_id)), parsed(message.message().as_bytes())

    assert parts(sent) == parts(wanted)
    for name in ("From", "To", "Cc", "Reply-To", "Subject", "X-Order", "Bcc"):
        assert sent.get_all(name) == wanted.get_all(name)
    stored = real.messages.get(message.mailsvc_id)
    assert {delivery.recipient for delivery in stored.deliveries} == {
        m.rpartition("<")[2].strip("> ") for m in message.recipients()
    }
    if "Message-ID" in message.extra_headers:
        assert sent["Message-ID"] == "<own@app.test>"


def test_several_messages_are_one_batch_and_one_refused_keeps_back_no_other(real: Mailsvc) -> None:
    good = [("s", "t", "shop@app.test", ["alice@example.test"])] * 2
    assert send_mass_mail(good) == 2
    bad = ("s", "t", "shop@app.test", ["no address"])
    with pytest.raises(ValidationError):
        send_mass_mail([good[0], bad, good[1]])
    assert send_mass_mail([good[0], bad, good[1]], fail_silently=True) == 2


def test_send_mail_reaches_the_outbox(mailsvc: FakeMail) -> None:
    assert send_mail("Hi", "Text", None, ["alice@example.test"], html_message="<p>x</p>") == 1
    (sent,) = mailsvc.outbox

    assert (sent.from_, sent.to, sent.text, sent.html) == (
        "default@app.test",
        ["alice@example.test"],
        "Text",
        "<p>x</p>",
    )
    assert sent.tags == ["django"]
    assert send_mail("Hi", "Text", None, []) == 0
    assert EmailBackend().send_messages([]) == 0


def test_anymails_attributes_are_kept(mailsvc: FakeMail) -> None:
    message = EmailMessage("Hi", "Text", to=["alice@example.test", "gone@example.test"])
    Mailsvc().suppressions.create("gone@example.test")
    message.tags, message.metadata = ["receipt"], {"order": 17}
    message.send_at = datetime(2099, 1, 1, 12)
    message.envelope_sender = "bounces@app.test"
    message.esp_extra = {"priority": "high", "idempotency_key": "order-17"}
    message.send()
    (sent,) = mailsvc.outbox

    assert (sent.tags, sent.metadata, sent.priority) == (["django", "receipt"], {"order": "17"}, "high")
    assert sent.scheduled_at == datetime(2099, 1, 1, 11, tzinfo=UTC)
    assert (sent.draft["return_path"], sent.idempotency_key) == ("bounces@app.test", "order-17")
    status = message.anymail_status
    assert (status.message_id, message.mailsvc_id) == (sent.id, sent.id)
    assert status.recipients["alice@example.test"].status == "queued"
    assert status.esp_response.id == sent.id


def test_a_date_alone_is_midnight_here(mailsvc: FakeMail) -> None:
    message = EmailMessage("Hi", "Text", to=["alice@example.test"])
    message.send_at = date(2099, 7, 1)
    message.send()

    assert mailsvc.outbox[0].scheduled_at == datetime(2099, 6, 30, 22, tzinfo=UTC)


def test_what_mailsvc_does_not_do_is_told_before_it_is_sent(mailsvc: FakeMail) -> None:
    message = EmailMessage("Hi", "Text", to=["alice@example.test"])
    message.track_opens = True
    with pytest.raises(UnsupportedFeature, match="track_opens"):
        message.send()
    with override_settings(MAILSVC={"IGNORE_UNSUPPORTED_FEATURES": True}):
        assert message.send() == 1


@pytest.mark.parametrize("fail_silently", [True, False])
def test_header_injection_is_an_error_before_anything_is_sent(mailsvc: FakeMail, fail_silently: bool) -> None:
    good = EmailMessage("Hi", "Text", to=["alice@example.test"])
    for bad in (
        EmailMessage("Hi\nBcc: x@y.test", "Text", to=["a@example.test"]),
        EmailMessage(to=["a@x.test"], headers={"Bcc": "b@x.test"}),
    ):
        with pytest.raises(ValueError):
            EmailBackend(fail_silently=fail_silently).send_messages([good, bad])
    assert mailsvc.outbox == []


def test_fail_silently_swallows_trouble_and_nothing_else(mailsvc: FakeMail) -> None:
    mailsvc.fail(status=403)
    assert send_mail("Hi", "Text", None, ["a@example.test"], fail_silently=True) == 0
    mailsvc.fail(status=403)
    with pytest.raises(MailsvcError):
        send_mail("Hi", "Text", None, ["a@example.test"])


def test_backends_share_a_client_and_open_says_whether_it_was_closed(mailsvc: FakeMail) -> None:
    one, two = EmailBackend(timeout=3), EmailBackend()

    assert one.options.client()._driver.connections is two.options.client()._driver.connections
    assert (one.open(), one.open()) == (True, False)
    one.close()
    assert one.open()
    with two as connection:
        assert EmailMessage("Hi", "T", to=["a@example.test"], connection=connection).send() == 1


@has_backend
def test_without_a_key_the_backend_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILSVC_API_KEY", raising=False)
    with override_settings(MAILSVC={}):
        with pytest.raises(ImproperlyConfigured, match="MAILSVC_API_KEY"):
            get_connection()
        assert [w.id for w in run_checks(include_deployment_checks=True) if w.id.startswith("mailsvc")] == [
            "mailsvc_sdk.W001"
        ]


def test_signals_are_anymails_and_may_cancel(mailsvc: FakeMail) -> None:
    assert signals.post_send is anymail.signals.post_send
    told = []

    def before(sender: Any, message: EmailMessage, esp_name: str, **kwargs: Any) -> None:
        if message.subject == "no":
            raise CancelSend("no")

    def after(sender: Any, message: EmailMessage, status: Any, esp_name: str, **kwargs: Any) -> None:
        told.append((esp_name, status.message_id == message.mailsvc_id))

    signals.pre_send.connect(before)
    signals.post_send.connect(after)
    try:
        good, canceled = (EmailMessage(s, "T", to=["a@example.test"]) for s in ("yes", "no"))
        assert EmailBackend().send_messages([good, canceled]) == 1
    finally:
        signals.pre_send.disconnect(before)
        signals.post_send.disconnect(after)
    assert told == [("mailsvc", True)]


def post(path: str, request: Any) -> Any:
    headers = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in request.headers.items() if n != "content-type"}
    return Client(enforce_csrf_checks=True).post(path, request.body, content_type="application/json", **headers)


SECRET = "whsec_" + "A" * 32


def test_a_webhook_view_gives_the_event(mailsvc: FakeMail) -> None:
    project.RECEIVED.clear()
    event = mailsvc.bounce(Mailsvc().send({"from": "a@app.test", "to": "b@example.test", "text": "x"}))

    assert post("/hook", mailsvc.webhook(event, secret=SECRET)).status_code == 204
    assert post("/async-hook", mailsvc.webhook(event, secret=SECRET)).status_code == 204
    assert project.RECEIVED == [event, event]
    refused = post("/hook", mailsvc.webhook(event))
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    assert Client().get("/hook").status_code == 405


def test_anymails_signals_tell_what_happened(mailsvc: FakeMail) -> None:
    told: list[Any] = []

    def hear(sender: Any, event: Any, esp_name: str, **kwargs: Any) -> None:
        told.append((event.event_type, event))

    for signal in (signals.tracking, signals.inbound):
        signal.connect(hear)
    sent = Mailsvc().send(
        {"from": "a@app.test", "to": "b@example.test", "text": "x", "tags": ["t"], "metadata": {"n": "1"}}
    )
    for event in (mailsvc.defer(sent), mailsvc.bounce(sent), mailsvc.complain(sent), mailsvc.reply(sent, "Hello")):
        assert post("/anymail", mailsvc.webhook(event, secret=SECRET)).status_code == 204
    for signal in (signals.tracking, signals.inbound):
        signal.disconnect(hear)

    assert [kind for kind, _ in told] == ["deferred", "bounced", "complained", "inbound"]
    bounced = told[1][1]
    assert (bounced.message_id, bounced.recipient, bounced.tags, bounced.metadata) == (
        sent.id,
        "b@example.test",
        ["t"],
        {"n": "1"},
    )
    assert (bounced.reject_reason, bounced.mta_response) == ("invalid", "550 5.1.1 No such user")
    assert told[3][1].message.text.strip() == "Hello"
    assert told[3][1].message.from_email.addr_spec == "b@example.test"


def test_a_stopped_service_is_a_mailsvc_error() -> None:
    with override_settings(MAILSVC={"URL": "http://127.0.0.1:9", "API_KEY": "k"}):
        backend = EmailBackend(fail_silently=True)
        shared._clients["http://127.0.0.1:9", "k"] = Mailsvc("http://127.0.0.1:9", api_key="k", retry=Retry(attempts=0))
        assert backend.send_messages([EmailMessage("Hi", "T", to=["a@example.test"])]) == 0


@has_mailers
def test_each_mailer_has_its_options(mailsvc: FakeMail) -> None:
    from django.core.mail import InvalidMailer, mailers

    assert send_mail("Hi", "Text", None, ["a@example.test"], using="receipts") == 1
    assert (mailsvc.outbox[0].tags, mailsvc.outbox[0].priority) == (["receipt"], "high")
    with mailers["receipts"] as mailer:
        assert mailer.send_messages([EmailMessage("Hi", "T", to=["a@example.test"])]) == 1
    with pytest.raises(InvalidMailer, match="nonsense"):
        mailers["misspelt"]


@has_mailers
def test_a_mailer_without_a_key_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.mail import InvalidMailer, mailers

    monkeypatch.delenv("MAILSVC_API_KEY", raising=False)
    with pytest.raises(InvalidMailer, match="api_key"):
        mailers["default"]
    found = run_checks(include_deployment_checks=True)
    assert {warning.msg.split(" ")[0] for warning in found if warning.id == "mailsvc_sdk.W001"} >= {
        "MAILERS['default']"
    }


@has_mailers
def test_the_deprecated_arguments_are_taken(mailsvc: FakeMail) -> None:
    assert send_mail("Hi", "Text", None, ["a@example.test"], auth_user="u", auth_password="p", fail_silently=True) == 1
