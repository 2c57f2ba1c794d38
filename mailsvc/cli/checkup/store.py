"""The database: reachable, durable, migrated; its clock, its queue, and whether its secrets can be decrypted."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from mailsvc import clock
from mailsvc.cli.checkup.finding import Finding, problem, warning, well
from mailsvc.cli.show import age, plural
from mailsvc.outbox.submissions.figures import is_table_used, look_at_submissions
from mailsvc.settings import Settings
from mailsvc.store import migrate
from mailsvc.store.database import Database, explain
from mailsvc.store.mailbox_tables import mailbox
from mailsvc.store.queue_depth import look_at_queue
from mailsvc.store.tables import event, relay, webhook, worker
from mailsvc.store.vault import Vault, VaultError

__all__ = ["has_embedded_worker", "look_at_database", "open_if_there"]

MOST_SKEW = 2 * clock.SECOND
LONG_WAIT = 900.0  # seconds
LONG_SUBMISSION = 60.0
ALIVE = 15 * clock.SECOND
_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "synchronous_standby_names")


def open_if_there(settings: Settings) -> Database | Finding:
    """Return the database if it has the tables of this version, else the finding. Never creates a file."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return problem("database", f"there is no file {url.database}", "run mailsvc serve or mailsvc migrate")
    database = Database(settings.database, pool_size=1)
    try:
        version = migrate.current(database)
    except (SQLAlchemyError, OSError) as error:
        database.close()
        return problem(
            "database",
            f"can't be used: {explain(error, settings.database)}",
            "check MAILSVC_DATABASE_URL and that its server runs",
        )
    if lack := migrate.lack(version):
        database.close()
        return problem("migrations", *lack.split(": ", 1))
    return database


def look_at_database(database: Database, settings: Settings) -> Iterator[Finding]:
    """Yield findings about a database that can be reached and has this version's tables."""
    yield well("database", f"{database.dialect} can be reached")
    yield well("migrations", f"the tables are at version {migrate.HEAD}")
    database.measure_skew()
    with database.read() as connection:
        yield from _durability(connection) if database.dialect == "postgresql" else _sqlite(connection)
        yield _clock(connection, database)
        yield from _workers(connection, database.now())
        yield _queue(connection, database.now())
        yield _submissions(connection, database.now())
        yield from _secrets(connection, settings)


def _durability(connection: Connection) -> Iterator[Finding]:
    settings = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in _DURABILITY}
    off = [name for name in ("fsync", "full_page_writes") if settings.get(name) == "off"]
    if off:
        yield problem(
            "durability", f"PostgreSQL runs with {' and '.join(off)} off", f"set {off[0]} = on: a power loss loses mail"
        )
    if settings.get("synchronous_commit") == "off":
        todo = "set synchronous_commit = on (ALTER ROLE … SET also works): a crash loses accepted mail"
        yield problem("durability", "PostgreSQL confirms a commit before it is stored (synchronous_commit = off)", todo)
    if not settings.get("synchronous_standby_names"):
        replicas = connection.execute(text("SELECT count(*) FROM pg_stat_replication")).scalar_one()
        if replicas:
            todo = "set synchronous_standby_names (Patroni: synchronous_mode): a failover loses the latest mail"
            yield warning("durability", f"{plural(replicas, 'replica')}, none of them synchronous", todo)
    elif settings.get("synchronous_commit") == "local":
        todo = "set synchronous_commit = on: a failover loses the latest mail"
        yield warning("durability", "commits do not wait for the synchronous standby", todo)
    if not off and settings.get("synchronous_commit") != "off":
        yield well("durability", f"synchronous_commit = {settings.get('synchronous_commit')}, fsync = on")


def _sqlite(connection: Connection) -> Iterator[Finding]:
    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    if mode != "wal":
        yield problem(
            "durability",
            f"SQLite's journal mode is {mode}",
            "stop the other programs that use the file; mailsvc sets WAL mode",
        )
    else:
        yield well("durability", "write-ahead log, synchronous=FULL")
    if is_table_used(connection) and _may_reset_its_log(sqlite3.sqlite_version_info):
        yield warning(
            "sqlite",
            f"SQLite {sqlite3.sqlite_version} can damage a file that other programs write, too",
            "use SQLite 3.51.3 (3.50.7, 3.44.6) or later, or PostgreSQL; see docs/submissions.md",
        )


def _may_reset_its_log(version: tuple[int, int, int]) -> bool:
    """Whether this version has the WAL-reset fault, which needs two connections that write or checkpoint at once."""
    return not (version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45))


def _clock(connection: Connection, database: Database) -> Finding:
    skew = database.now() - clock.now()
    newest = connection.execute(select(func.max(event.c.position))).scalar()
    at = connection.execute(select(event.c.created_at).where(event.c.position == newest)).scalar() or 0
    todo = "synchronise the clocks of all hosts (NTP)"
    if abs(skew) > MOST_SKEW:
        return problem(
            "clock", f"this host's clock differs by {abs(skew) / clock.SECOND:.1f} s from the database's", todo
        )
    ahead = (at - database.now()) / clock.SECOND
    if ahead > MOST_SKEW / clock.SECOND:
        return problem("clock", f"the newest event is {age(ahead)} in the future: a clock was set back", todo)
    return well("clock", "agrees with the database's clock" if database.dialect == "postgresql" else "runs forward")


def _workers(connection: Connection, now: int) -> Iterator[Finding]:
    rows = connection.execute(select(worker).where(worker.c.seen_at >= now - ALIVE)).all()
    roles = {role for row in rows for role in row.roles.split(",")}
    missing = [role for role in ("deliver", "notify") if role not in roles]
    if missing:
        what = {"deliver": "no process delivers mail", "notify": "no process posts webhooks"}
        said = " and ".join(what[role] for role in missing)
        yield problem(
            "workers",
            said,
            f"start mailsvc serve, or a host with --roles {','.join(missing)}; it joins some seconds after its start",
        )
    else:
        yield well(
            "workers",
            f"{plural(len(rows), 'worker')} on {plural(len({r.host for r in rows}), 'host')}: {_names(rows)}",
        )


def has_embedded_worker(connection: Connection, *, now: int) -> bool:
    """Whether a program has the service inside: there, one worker delivers and notifies; ``mailsvc serve`` has two."""
    rows = connection.execute(select(worker.c.roles).where(worker.c.seen_at >= now - ALIVE)).scalars()
    return any({"deliver", "notify"} <= set(roles.split(",")) for roles in rows)


def _names(rows: Sequence[Any]) -> str:
    return ", ".join(sorted(str(json.loads(row.stats).get("name") or row.id) for row in rows))


def _queue(connection: Connection, now: int) -> Finding:
    figures = look_at_queue(connection, now)
    said = f"{figures.due:,} due, {figures.later:,} later, {figures.held:,} held"
    if figures.oldest_age > LONG_WAIT:
        todo = "run mailsvc queue and look at the relays below: one may be paused, failing or too slow"
        return warning("queue", f"{said}; the oldest due delivery has waited {age(figures.oldest_age)}", todo)
    return well("queue", said)


def _submissions(connection: Connection, now: int) -> Finding:
    found = look_at_submissions(connection, now)
    said = f"{found.waiting:,} waiting, {found.rejected:,} rejected"
    if found.oldest_age > LONG_SUBMISSION:
        todo = "see that a process with the role intake runs; mailsvc submissions list --waiting names the rows"
        return warning("submissions", f"{said}; the oldest has waited {age(found.oldest_age)}", todo)
    if found.rejected:
        return warning("submissions", said, "mailsvc submissions list --rejected says why; then retry or drop them")
    return well("submissions", said)


def _secrets(connection: Connection, settings: Settings) -> Iterator[Finding]:
    keys = settings.secret_key or _kept(settings.data_dir / "secret-key")
    stored = [row.secret for row in connection.execute(select(relay.c.secret).where(relay.c.secret.is_not(None)))]
    stored += [row.secret for row in connection.execute(select(webhook.c.secret))]
    stored += [row.secret for row in connection.execute(select(mailbox.c.secret).where(mailbox.c.secret.is_not(None)))]
    if keys is None:
        if stored:
            yield problem(
                "secrets",
                "the key of the stored passwords is missing",
                "set MAILSVC_SECRET_KEY to the value that encrypted them",
            )
        return
    unreadable = sum(not _can_read(Vault(keys), token) for token in stored)
    if unreadable:
        todo = "append the previous key to MAILSVC_SECRET_KEY after a comma, or set the passwords again"
        yield problem("secrets", f"{unreadable} of {len(stored)} stored secrets can't be decrypted", todo)
    else:
        yield well("secrets", f"{plural(len(stored), 'stored secret')} can be decrypted")


def _kept(path: Path) -> str | None:
    try:
        return path.read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None


def _can_read(vault: Vault, token: str) -> bool:
    try:
        vault.decrypt(token)
    except VaultError:
        return False
    return True
