"""A mailbox in which mails arrive, without a server: stored and recorded as the reader does."""

from itertools import count
from typing import Any

from mailsvc.apps.mailbox_form import NewMailbox
from mailsvc.apps.mailbox_row import mailbox_of
from mailsvc.apps.mailboxes import MailboxRules, create_mailbox
from mailsvc.findings.record import Terms
from mailsvc.inbound.arrivals import ArrivalRecorder
from mailsvc.inbox import leases
from mailsvc.inbox.backlog import take_backlog
from mailsvc.inbox.keep import FetchedMail, keep
from tests.support.api import ApiHarness, Client

__all__ = ["Inbox"]


class Inbox:
    """A mailbox of an app."""

    def __init__(self, harness: ApiHarness, client: Client, name: str = "support", **form: Any) -> None:
        services = harness.services
        wanted = NewMailbox(
            **{"name": name, "host": "imap.example.test", "username": name, "password": "secret", **form}
        )
        rules = MailboxRules(allow_plaintext=False, targets="any")
        self._row = create_mailbox(services.database, client.app_id, wanted, vault=services.vault, rules=rules)
        self._services, self.id = services, self._row.id
        (self._lease,) = leases.claim(services.database, [self.id], owner="test")
        self._numbers = count(1)
        terms = Terms("", services.settings.soft_bounce_limit)
        self.recorder = ArrivalRecorder(services.database, services.bell, terms, services.vault.signing_keys)

    def arrive(self, *mails: bytes, **given: Any) -> None:
        """Store the mails, and record what they mean."""
        found = mailbox_of(self._row, self._services.vault)
        fetched = [FetchedMail(f"3:{next(self._numbers)}", mail, len(mail), **given) for mail in mails]
        self.recorder.record(keep(self._services.database, self._lease, found, fetched))

    def recheck(self) -> None:
        """Record what had to wait, as a worker does in each round."""
        while kept := take_backlog(self._services.database, received_before=0):
            self.recorder.record(kept)
