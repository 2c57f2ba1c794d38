"""The destinations of mail and events: relays and webhooks of every app."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, func, select

from mailsvc import clock
from mailsvc.apps.relay_row import shown_relay
from mailsvc.apps.sandbox_relay import is_sandbox
from mailsvc.cli.checkup.finding import Finding, problem, warning, well
from mailsvc.cli.show import age, plural
from mailsvc.store.database import Database
from mailsvc.store.tables import delivery, relay, webhook

__all__ = ["look_at_routes"]


def look_at_routes(database: Database) -> Iterator[Finding]:
    """Yield findings about each relay and webhook, with reasons."""
    with database.read() as connection:
        yield from _relays(connection)
        yield from _webhooks(connection, database.now())


def _relays(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(select(relay).order_by(relay.c.id)).all()
    real = [row for row in rows if not is_sandbox(row)]
    if not real:
        todo = "to reach real recipients, set MAILSVC_RELAY_URL or run mailsvc relay add"
        yield warning("relays", "there is only the sandbox: mail reaches nobody", todo)
    unfinished = select(delivery.c.relay_id, func.count()).where(delivery.c.due_at.is_not(None))
    waiting = {row[0]: row[1] for row in connection.execute(unfinished.group_by(delivery.c.relay_id))}
    for row in real:
        yield _relay(shown_relay(row), waiting.get(row.id, 0))


def _relay(shown: dict[str, Any], waiting: int) -> Finding:
    check, name = f"relay {shown['name']}", shown["name"]
    if not shown["enabled"]:
        todo = f"to send its messages, enable it (PATCH /v1/relays/{shown['id']})"
        if waiting:
            return problem(check, f"is disabled, and {plural(waiting, 'delivery', 'deliveries')} wait for it", todo)
        return warning(check, "is disabled", todo)
    if shown["status"] == "paused":
        return warning(check, f"is paused: {shown['status_reason']}", f"run mailsvc relay resume {name}")
    if shown["status"] == "backing_off":
        said = f"is backing off after failures: {shown['status_reason']}"
        return problem(
            check, said, f"run mailsvc relay check {name} to see each step, then mailsvc relay resume {name}"
        )
    if not shown["verify"] and shown["tls"] != "none":
        return warning(check, "its certificate is not verified", "set verify, with ca_pem if the server has its own CA")
    return well(check, f"{shown['host']}:{shown['port']} is in use")


def _webhooks(connection: Connection, now: int) -> Iterator[Finding]:
    for row in connection.execute(select(webhook).order_by(webhook.c.id)):
        check = f"webhook {row.id}"
        if row.disabled_reason:
            todo = f"fix the endpoint, run mailsvc webhook test {row.id}, then enable it and replay what it missed"
            yield problem(check, f"{row.url} was disabled: {row.disabled_reason}", todo)
        elif not row.enabled:
            yield well(check, f"{row.url} is disabled")
        elif row.failing_since is not None:
            failing = age((now - row.failing_since) / clock.SECOND)
            yield problem(
                check, f"{row.url} has failed for {failing}", f"run mailsvc webhook test {row.id} to see the error"
            )
        else:
            yield well(check, f"{row.url} gets {', '.join(json.loads(row.events))}")
