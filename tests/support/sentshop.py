"""An app with a relay, a mailbox that is linked to it, and a message whose transactions a test ends."""

from typing import Any

from sqlalchemy import insert, select, update

from mailsvc.apps.apps import ensure_first_app
from mailsvc.apps.mailbox_form import NewMailbox
from mailsvc.apps.mailboxes import MailboxRules, create_mailbox
from mailsvc.apps.relay_form import NewRelay, RelayRules
from mailsvc.apps.relays import create_relay
from mailsvc.domain.lifecycle import Change
from mailsvc.domain.relay import Relay
from mailsvc.outcomes.outcome import Outcome, Try
from mailsvc.outcomes.record import record
from mailsvc.outcomes.sent_jobs import settle_lookup, take
from mailsvc.store.database import Database
from mailsvc.store.leases import DueSentJob, Quota
from mailsvc.store.sent_tables import sent_job
from mailsvc.store.tables import body, delivery, message
from mailsvc.store.vault import Vault
from tests.support.messages import a_message

__all__ = ["VAULT", "Shop"]

TOKEN = 3
RECIPIENTS = ("alice@example.test", "bob@example.test", "carol@example.test")
VAULT = Vault("k" * 40)


class Shop:
    """An app whose relay has a linked mailbox, and one message to three recipients, all at the relay."""

    def __init__(self, database: Database, **relay: Any) -> None:
        self.database = database
        with database.write() as connection:
            self.app_id = ensure_first_app(connection, now=database.now())
        account = NewRelay(name="main", host="127.0.0.1", tls="none", **relay)
        rules = RelayRules(allow_plaintext=True, targets="any")
        self.relay_id = str(create_relay(database, self.app_id, account, vault=VAULT, rules=rules).id)
        self.message_id, self.ids = self.put()

    def link(self, **form: Any) -> str:
        usual = {"name": "sent", "host": "imap.app.test", "username": "u", "password": "p", "relay": "main"}
        rules = MailboxRules(allow_plaintext=True, targets="any")
        return str(create_mailbox(self.database, self.app_id, NewMailbox(**usual | form), vault=VAULT, rules=rules).id)

    def put(self) -> tuple[str, list[str]]:
        relay = Relay(id=self.relay_id, name="main", host="127.0.0.1")
        made = a_message(relay=relay, to=RECIPIENTS, now=self.database.now(), on_uncertain="verify")
        with self.database.write() as connection:
            connection.execute(insert(message), [{**made.message, "app_id": self.app_id}])
            connection.execute(insert(body), [{"message_id": made.message["id"], "content": made.content}])
            connection.execute(insert(delivery), [{**row, "app_id": self.app_id} for row in made.deliveries])
            ids = [row["id"] for row in made.deliveries]
            own = update(delivery).where(delivery.c.id.in_(ids))
            connection.execute(own.values(status="sending", lease_token=TOKEN, lease_owner="wrk_1"))
        return made.message["id"], ids

    def ended(self, outcome: str, *ids: str, together: bool = True) -> None:
        """A transaction for each of these deliveries, or one for all, ended so."""
        with self.database.write() as connection:
            now = self.database.now()
            for n, id_ in enumerate(ids):
                duration = 5.0 if together else 5.0 + n
                tried = Try(now, duration, "eom", None, None, "lost", self.relay_id, "mx", None, outcome)
                change = Change.SENT if outcome == "sent" else Change.DEFER
                verify = f"{ids[0] if together else id_} at {now}" if outcome == "uncertain" else None
                record(connection, [Outcome(id_, change, TOKEN, tried, due_at=now, verify=verify)], now=now)

    def jobs(self) -> dict[str, DueSentJob]:
        """Claim all jobs that are due some time, by delivery or message."""
        with self.database.write() as connection:
            connection.execute(
                update(sent_job).where(sent_job.c.due_at.is_not(None)).values(due_at=1, status="waiting")
            )
        taken = take(self.database, [Quota(self.relay_id, 100)], owner="wrk_2")
        return {job.delivery_id or job.message_id: job for job in taken}

    def see(self, copies: int, *ids: str) -> list[str]:
        """Look up these deliveries, and find so many copies. Returns the statuses of the look-ups."""
        jobs = self.jobs()
        with self.database.write() as connection:
            now = self.database.now()
            return [settle_lookup(connection, jobs[id_], copies, "the folder Sent", now=now) for id_ in ids]

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table).order_by(table.c.id)))

    def statuses(self) -> list[str]:
        found = {row.id: row.status for row in self.rows(delivery)}
        return [found[id_] for id_ in self.ids]

    def at_the_end(self) -> None:
        """The time of all look-ups is over."""
        with self.database.write() as connection:
            connection.execute(update(sent_job).values(until=1))
