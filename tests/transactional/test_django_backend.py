"""Django's own e-mail functions in a transaction, by the SDK's backend and without the package mailsvc."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import connections
from django.db.transaction import atomic
from django.db.utils import ConnectionHandler
from django.test import override_settings

import tests.sdk.django_project  # noqa: F401 - configures Django
from mailsvc.domain.ids import is_id
from mailsvc_sdk.django import EmailBackend
from tests.support.shop import Shop

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.fixture(autouse=True)
def connection(shop: Shop) -> Iterator[Any]:
    made = ConnectionHandler({"default": {}, "shop": shop.django})["shop"]
    connections["shop"] = made
    yield made
    made.close()
    del connections["shop"]


@pytest.fixture
def backend() -> EmailBackend:
    alias = {"alias": "default"} if django.VERSION >= (6, 1) else {}
    return EmailBackend(transactional="shop", **alias)


def a_mail(**attributes: Any) -> EmailMessage:
    mail = EmailMultiAlternatives(
        "Your order", "Thanks", "Shop <shop@app.test>", ["alice@example.test"], bcc=["b@x.test"]
    )
    mail.attach_alternative("<p>Thanks</p>", "text/html")
    mail.attach("a.pdf", b"%PDF", "application/pdf")
    for name, value in attributes.items():
        setattr(mail, name, value)
    return mail


def test_a_mail_is_committed_with_the_transaction(shop: Shop, backend: EmailBackend) -> None:
    mail = a_mail(metadata={"order": 17}, idempotency_key="order-17")
    with atomic("shop"):
        assert backend.send_messages([mail, a_mail()]) == 2
        assert shop.mails() == []
    rows = shop.rows("SELECT id, app, draft, idempotency_key FROM mailsvc_submission WHERE idempotency_key IS NOT NULL")
    ((id_, app, draft, key),) = rows

    assert len(shop.mails()) == 2
    assert is_id(id_, "msg")
    assert (mail.mailsvc_id, mail.anymail_status.status) == (id_, {"queued"})
    assert mail.anymail_status.recipients["b@x.test"].message_id == id_
    assert (app, key) == ("default", "order-17")
    assert json.loads(draft) == json.loads(draft) | {
        "from": "Shop <shop@app.test>",
        "to": ["alice@example.test"],
        "bcc": ["b@x.test"],
        "html": "<p>Thanks</p>",
        "metadata": {"order": "17"},
        "tags": ["django"],
    }


def test_a_mail_is_gone_with_the_rollback(shop: Shop, backend: EmailBackend) -> None:
    with pytest.raises(ZeroDivisionError), atomic("shop"):
        backend.send_messages([a_mail()])
        1 / 0  # noqa: B018

    assert shop.mails() == []


def test_the_service_takes_what_the_backend_wrote(shop: Shop, backend: EmailBackend) -> None:
    """The row is a draft that the API's rules accept."""
    from mailsvc import clock
    from mailsvc.domain.draft import Limits
    from mailsvc.domain.draft_json import draft_in
    from mailsvc.domain.message_form import check
    from mailsvc.domain.strict_json import parse_json

    backend.send_messages([a_mail(send_at=datetime.now(UTC) + timedelta(days=1), priority="high")])
    ((draft,),) = shop.rows("SELECT draft FROM mailsvc_submission")
    prepared = check(draft_in(parse_json(draft.encode())), limits=Limits(), now=clock.now())

    assert [r.address for r in prepared.recipients] == ["alice@example.test", "b@x.test"]


def test_a_mail_that_only_mime_can_say_is_refused_before_anything_is_written(shop: Shop, backend: EmailBackend) -> None:
    odd = a_mail()
    odd.extra_headers["Date"] = "Mon, 1 Jan 2024 00:00:00 +0000"
    with pytest.raises(ValueError, match="MIME"):
        backend.send_messages([a_mail(), odd])

    assert shop.mails() == []


@override_settings(MAILSVC={"TRANSACTIONAL": "shop", "APP": "billing"})
def test_settings_say_it_for_every_mailer(shop: Shop) -> None:
    backend = EmailBackend(**({"alias": "default"} if django.VERSION >= (6, 1) else {}))
    backend.send_messages([a_mail()])

    assert shop.rows("SELECT app FROM mailsvc_submission") == [("billing",)]


def test_the_sdk_needs_no_package_mailsvc_for_it() -> None:
    script = "import sys; import mailsvc_sdk.django._rows; print('mailsvc' in sys.modules, 'httpx2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False"]
