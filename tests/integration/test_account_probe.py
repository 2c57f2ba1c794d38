"""Probing an account: a real Postfix sends, a real Dovecot holds the mailbox, and this test carries mail between them."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailsvc.apps.mailbox_row import mailbox_of
from mailsvc.apps.mailboxes import get_mailbox
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.inbound.accountprobe import probe
from mailsvc.inbound.accountprobe.advice import Finding, advice
from mailsvc.mailaccess.account import Credentials
from mailsvc.store.database import Database
from mailsvc.store.tables import event
from tests.support.carrying import Carry, carrying
from tests.support.ingest import Ingest, running
from tests.support.mailhost import HOST, PASSWORD, MailHost
from tests.support.postfix import Listener, Postfix, Stored

ADDRESS = "shop@app.test"


@pytest.fixture
def user(mailhost: MailHost, request: pytest.FixtureRequest) -> Credentials:
    name = f"probed{abs(hash(request.node.nodeid))}"
    mailhost.add_user(name, PASSWORD)
    return Credentials(name, PASSWORD)


class Account:
    """A mailbox that is read, and the relay of the same provider."""

    def __init__(self, database: Database, directory: Path, postfix: Postfix, mailhost: MailHost, user: Credentials):
        self.ingest = Ingest(database, directory)
        self.postfix, self.mailhost, self.user = postfix, mailhost, user

    def probed(
        self, carry: Carry = lambda stored: stored.raw, *, files: int = 0, listener: Listener = "submission"
    ) -> dict[str, Any]:
        ingest = self.ingest
        at = {"host": HOST, "port": self.mailhost.imaps, "ca_pem": self.mailhost.ca_pem}
        id_ = ingest.add(username=self.user.username, password=PASSWORD, **at)
        with running(ingest), carrying(self.postfix, self.mailhost, self.user, carry, files):
            ingest.wait(id_, lambda shown: shown["status"] == "active")
            found = mailbox_of(get_mailbox(ingest.database, ingest.app_id, id_), ingest.vault)
            tokens = AccessTokens(ingest.database, ingest.vault)
            keys = ingest.vault.signing_keys
            relay = self.postfix.relay(listener)
            return probe.probe_account(found, relay, ADDRESS, database=ingest.database, tokens=tokens, keys=keys)


@pytest.fixture
def account(database: Database, tmp_path: Path, postfix: Postfix, mailhost: MailHost, user: Credentials) -> Account:
    return Account(database, tmp_path, postfix, mailhost, user)


def results(report: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["result"] for one in report["findings"]}


def test_an_account_that_supports_everything(account: Account) -> None:
    """The advice is to use all of it; no event tells an application of the probe's mails."""
    report = account.probed(files=1)

    assert set(results(report).values()) == {"yes"}, report
    assert report["settings"] == {
        "return_path": ADDRESS,
        "verp": True,
        "reply_token": True,
        "file_sent": False,
        "on_uncertain": "verify",
    }
    with account.ingest.database.read() as connection:
        types = [json.loads(row.body)["type"] for row in connection.execute(select(event))]
    assert types == []
    assert {stored.recipient.partition("+")[0].partition("@")[0] for stored in account.postfix.messages()} == {"shop"}


def test_an_account_without_plus_addresses_that_files_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not arrive is unknown, not refused."""
    monkeypatch.setattr(probe, "LONGEST", 15.0)
    monkeypatch.setattr(probe, "FOR_COPIES", 2.0)
    report = account.probed(lambda stored: None if "+" in stored.recipient else stored.raw)

    assert results(report) == {
        "plus_addresses": "unknown",
        "return_path": "yes",
        "dsn": "yes",
        "message_id": "yes",
        "sent_copies": "no",
        "one_copy": "unknown",
    }
    assert "reply_token" not in report["settings"]


def test_a_provider_that_replaces_the_envelope_sender_and_offers_no_dsn(account: Account) -> None:
    def carry(stored: Stored) -> bytes:
        path = str(stored.parsed["Return-Path"]).encode()
        return stored.raw.replace(path, b"<shop@app.test>", 1)

    report = account.probed(carry, files=2, listener="bare")

    assert (results(report)["return_path"], results(report)["dsn"], results(report)["one_copy"]) == ("no", "no", "no")
    assert (report["settings"]["return_path"], report["settings"]["on_uncertain"]) == (None, "resend")


def test_a_provider_that_replaces_the_message_id(account: Account) -> None:
    def carry(stored: Stored) -> bytes:
        return stored.raw.replace(str(stored.parsed["Message-ID"]).encode(), b"<given@provider.test>")

    report = account.probed(carry, files=1)

    assert results(report)["message_id"] == "no"
    assert report["settings"]["on_uncertain"] == "resend"


def test_a_relay_that_refuses_everything_proves_nothing(account: Account) -> None:
    """The refusal is not about the subaddress."""
    account.postfix.policy.say("RCPT", "*", "550 5.1.1 no such user")
    report = account.probed()

    assert set(results(report).values()) == {"unknown"}
    assert "550" in report["findings"][0]["detail"]


def test_a_relay_that_refuses_foreign_senders(account: Account) -> None:
    """553 for an envelope sender that is not the account's."""
    account.postfix.policy.say("MAIL", ADDRESS, "DUNNO")
    account.postfix.policy.say("MAIL", "*", "553 5.7.1 not your address")
    report = account.probed(files=1)

    assert (results(report)["plus_addresses"], results(report)["return_path"]) == ("yes", "no")
    assert "553" in report["findings"][1]["detail"]


@pytest.mark.parametrize(
    ("found", "settings"),
    [
        ({}, {"return_path": "a@b.test", "verp": True, "reply_token": True, "file_sent": False, "on_uncertain": "verify"}),
        ({"plus_addresses": "no"}, {"return_path": "a@b.test", "verp": False, "reply_token": False}),
        ({"return_path": "no"}, {"return_path": None, "reply_token": True}),
        ({"return_path": "unknown"}, {"reply_token": True}),
        ({"plus_addresses": "unknown"}, {}),
        ({"sent_copies": "no", "one_copy": "unknown"}, {"file_sent": True, "on_uncertain": "resend"}),
        ({"one_copy": "no"}, {"file_sent": False, "on_uncertain": "resend"}),
        ({"message_id": "no"}, {"file_sent": False, "on_uncertain": "resend"}),
        ({"sent_copies": "unknown"}, {"reply_token": True}),
    ],
)  # fmt: skip
def test_what_is_unknown_is_left_out_of_the_advice(found: dict[str, Any], settings: dict[str, Any]) -> None:
    names = ("plus_addresses", "return_path", "dsn", "message_id", "sent_copies", "one_copy")
    given, sentences = advice(
        {name: Finding(found.get(name, "yes"), "") for name in names}, address="a@b.test", relay="main"
    )

    assert settings.items() <= given.items()
    assert len(sentences) == 3
    assert ("on_uncertain" in given) == (found.get("sent_copies") != "unknown")
