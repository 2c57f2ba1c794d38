"""The mailboxes of every app: whether each is read."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from mailsvc import clock
from mailsvc.apps.mailbox_row import shown_mailbox
from mailsvc.cli.checkup.finding import Finding, problem, warning, well
from mailsvc.cli.show import age, plural
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, mailbox
from mailsvc.store.tables import worker

__all__ = ["look_at_mailboxes"]

ALIVE = 15 * clock.SECOND
LONG_LAG = 120 * clock.SECOND  # beyond twice the poll interval
LONG_UNCLASSIFIED = 60 * clock.SECOND


def look_at_mailboxes(database: Database) -> Iterator[Finding]:
    """Yield findings about each mailbox, with reasons."""
    now = database.now()
    with database.read() as connection:
        rows = connection.execute(select(mailbox).order_by(mailbox.c.id)).all()
        roles = connection.execute(select(worker.c.roles).where(worker.c.seen_at >= now - ALIVE)).scalars()
        has_reader = any("ingest" in those.split(",") for those in roles)
        waiting = arrival.c.kind.is_(None) & (arrival.c.received_at < now - LONG_UNCLASSIFIED)
        stuck = len(connection.execute(select(arrival.c.id).where(waiting).limit(1000)).all())
    if any(row.enabled and not row.paused for row in rows) and not has_reader:
        yield problem("mailboxes", "no process reads mailboxes", "start mailsvc serve, or a host with --roles ingest")
    if stuck:
        said = f"{plural(stuck, 'arrival is', 'arrivals are')} stored but not classified"
        yield problem("arrivals", said, "see the service's log; they are tried again while mailsvc serve runs")
    for row in rows:
        yield _mailbox(shown_mailbox(row), row, now)


def _mailbox(shown: dict[str, Any], row: Any, now: int) -> Finding:
    check, name = f"mailbox {shown['name']}", shown["name"]
    if not shown["enabled"]:
        return well(check, "is disabled")
    if shown["status"] == "paused":
        return warning(check, f"is paused: {shown['status_reason']}", f"run mailsvc mailbox resume '{name}'")
    if shown["status"] == "failing":
        said = f"can't be read ({shown['status_reason']}): {shown['last_error']}"
        return problem(check, said, f"run mailsvc mailbox check '{name}' to see each step")
    if shown["status_reason"]:
        said = f"could not be read last time ({shown['status_reason']}): {shown['last_error']}"
        return warning(check, said, f"run mailsvc mailbox check '{name}' to see each step")
    lag = now - (row.last_read_at or row.created_at)
    if lag > LONG_LAG + 2 * shown["poll_interval"] * clock.SECOND:
        said = f"was not read for {age(lag / clock.SECOND)}"
        return warning(check, said, "see the service's log: it may be reading many mails, or the server may be slow")
    if not shown["verify"] and shown["tls"] != "none":
        return warning(check, "its certificate is not verified", "set verify, with ca_pem if the server has its own CA")
    return well(check, f"{shown['folder']} at {shown['host']}:{shown['port']} is read")
