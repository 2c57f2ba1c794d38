"""The row of the sandbox's mailbox: when it is there, and what it says."""

from typing import Any

import pytest

from mailsvc.apps import mailboxes
from mailsvc.apps.apps import ensure_first_app
from mailsvc.apps.mailbox_form import NewMailbox
from mailsvc.apps.mailbox_row import is_sandbox_mailbox, mailbox_of
from mailsvc.apps.sandbox_mailbox import keep_sandbox_mailbox, sandbox_mailbox_form, set_mailbox_address
from mailsvc.store.database import Database
from mailsvc.store.vault import Vault

VAULT = Vault("k" * 40)
ADDRESS = sandbox_mailbox_form(port=1143, password="secret", ca_pem=None)  # noqa: S106
RULES = mailboxes.MailboxRules(allow_plaintext=False, targets="any")


@pytest.fixture
def app_id(database: Database) -> str:
    with database.write() as connection:
        return ensure_first_app(connection, now=1)


def keep(database: Database, app_id: str, *, is_used: bool = True, is_open: bool = False) -> list[Any]:
    """The app's mailboxes after a start."""
    with database.write() as connection:
        keep_sandbox_mailbox(connection, app_id, VAULT, is_used=is_used, is_open=is_open, now=database.now())
    return list(mailboxes.list_mailboxes(database, app_id, limit=10))


def test_it_is_there_while_the_relay_is_used(database: Database, app_id: str) -> None:
    (row,) = keep(database, app_id)

    assert (row.name, row.managed, row.enabled, is_sandbox_mailbox(row)) == ("sandbox", True, True, True)
    assert keep(database, app_id, is_used=False) == []


def test_the_reader_waits_until_the_server_listens(database: Database, app_id: str) -> None:
    """Before that, the row has no address, or that of the last start."""
    (before,) = keep(database, app_id)
    set_mailbox_address(database, ADDRESS, VAULT)
    (after,) = mailboxes.list_mailboxes(database, app_id, limit=10)
    known = mailbox_of(after, VAULT)

    assert (before.retry_at is not None, after.retry_at) == (True, None)
    assert (known.port, known.password, known.reads_all) == (1143, "secret", True)
    assert after.updated_at > before.updated_at


def test_a_second_process_leaves_the_one_that_runs_alone(database: Database, app_id: str) -> None:
    keep(database, app_id)
    set_mailbox_address(database, ADDRESS, VAULT)
    before = list(mailboxes.list_mailboxes(database, app_id, limit=10))

    assert keep(database, app_id, is_open=True) == before


def test_what_the_user_set_stays(database: Database, app_id: str) -> None:
    """Only the address follows the server."""
    (row,) = keep(database, app_id)

    def edit(_: Any) -> NewMailbox:
        form = sandbox_mailbox_form(port=1, password="sandbox", ca_pem=None)  # noqa: S106
        form.after = "delete"
        return form

    mailboxes.update_mailbox(database, app_id, row.id, edit, vault=VAULT, rules=RULES)
    keep(database, app_id)
    set_mailbox_address(database, ADDRESS, VAULT)
    (after,) = mailboxes.list_mailboxes(database, app_id, limit=10)

    assert (mailbox_of(after, VAULT).after, mailbox_of(after, VAULT).port) == ("delete", 1143)


def test_a_mailbox_of_the_user_is_left_alone(database: Database, app_id: str) -> None:
    """Whoever needs the name has it."""
    wanted = NewMailbox(name="sandbox", host="imap.app.test", username="u", password="p")  # noqa: S106
    made = mailboxes.create_mailbox(database, app_id, wanted, vault=VAULT, rules=RULES)
    kept = keep(database, app_id)
    set_mailbox_address(database, ADDRESS, VAULT)

    assert kept == [made] == keep(database, app_id, is_used=False)
    assert list(mailboxes.list_mailboxes(database, app_id, limit=10)) == [made]


def test_the_settings_do_not_disable_it(database: Database, app_id: str) -> None:
    """They name the other managed mailboxes."""
    keep(database, app_id)
    with database.write() as connection:
        mailboxes.put_managed_mailboxes(connection, app_id, [], VAULT, now=database.now())

    assert [row.enabled for row in mailboxes.list_mailboxes(database, app_id, limit=10)] == [True]
