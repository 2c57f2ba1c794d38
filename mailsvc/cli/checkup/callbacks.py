"""The callbacks of embedded services: whether each is called."""

from collections.abc import Iterator
from typing import Any

from mailsvc import clock
from mailsvc.callbacks.positions import list_callbacks
from mailsvc.cli.checkup.finding import Finding, problem, warning, well
from mailsvc.cli.show import age, plural
from mailsvc.store.database import Database

__all__ = ["look_at_callbacks"]

UNSEEN = 10 * clock.MINUTE


def look_at_callbacks(database: Database) -> Iterator[Finding]:
    """Yield a finding about each callback."""
    with database.read() as connection:
        rows = list_callbacks(connection)
    for row in rows:
        yield _callback(row, database.now())


def _callback(row: Any, now: int) -> Finding:
    check = f"callback {row.name}" if row.app == "default" else f"callback {row.name} of {row.app}"
    if row.event_id is not None:
        said = f"failed {plural(row.tries, 'time')} at {row.event_id}: {row.last_error}"
        todo = f"mend the handler, or pass over the event: mailsvc callbacks skip {row.name} {row.event_id}"
        return problem(check, said, todo)
    if now - row.seen_at > UNSEEN:
        said = f"no process had it for {age((now - row.seen_at) / clock.SECOND)}; {plural(row.behind, 'event waits', 'events wait')}"
        return warning(check, said, "start the program that registers it")
    return well(check, f"{plural(row.behind, 'event')} behind")
