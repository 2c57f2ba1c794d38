"""Opens transactions, in one way for SQLite and PostgreSQL.

SQLite (WAL, ``synchronous=FULL``) has one writer at a time by nature. We queue for it on a file lock instead of SQLite's
own polling: a waiter wakes at once, and no two connections ever write or checkpoint together, which also keeps clear of
the WAL-reset fault of SQLite before 3.51.3. Readers see snapshots and never wait.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from itertools import chain
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, Engine, QueuePool, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from mailsvc import clock
from mailsvc.store import sqlite
from mailsvc.store.bulk import Statement
from mailsvc.store.foreign_lock import foreign_lock_of
from mailsvc.store.in_progress import InProgress
from mailsvc.store.nonblocking import refuse_to_wait
from mailsvc.store.schema import split_schema
from mailsvc.store.writer_lock import WriterLock
from mailsvc.telemetry import facts, log

__all__ = ["Database", "is_away", "is_in_doubt", "is_locked"]

if TYPE_CHECKING:
    from mailsvc.store.liveness import Liveness

Dialect = Literal["sqlite", "postgresql"]

_PATIENCE_SECONDS = 10  # for locks of other clients, and for an idle transaction
_FOREIGN_SECONDS = 8.0  # for a program that holds SQLite's write lock: an HTTP client is answered before it gives up
_READER_BUSY, _WRITER_BUSY = 10_000, 100  # milliseconds; a writer that waits lets the others have their turn
_LONGEST_REPLY = 600.0  # seconds: an index over millions of rows takes long
_IN_DOUBT = "the link was lost at the commit, which may have been carried out"
_SKEW_SECONDS = 5.0  # the validity of a measurement of the server's clock
_LOCK_NOT_AVAILABLE = "55P03"
_SERVER_TIME = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
_END_THE_FROZEN = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user"
    " AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
    " AND state = 'active' AND wait_event_type = 'Client'"
    " AND state_change < clock_timestamp() - make_interval(secs => :patience)"
)


def is_away(error: BaseException) -> bool:
    """Whether the database could not be reached or could not store, so that the statement itself is not at fault."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False  # an error of the statement or its data
    return isinstance(error, OperationalError | OSError) or type(error).__name__ in (
        "TimeoutError",
        "InterfaceError",
    )


def is_locked(error: BaseException) -> bool:
    """Whether another program holds SQLite's write lock."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


def is_in_doubt(error: BaseException) -> bool:
    """Whether the failed transaction may have been committed."""
    return _IN_DOUBT in getattr(error, "__notes__", ())


class Database:
    """Transactions on one database, for all threads of one process.

    Args:
        url: ``sqlite:///path`` or ``postgresql+psycopg://…``, whose parameter ``schema`` may say where the tables are.
        pool_size: connections kept open for reading (and, on PostgreSQL, writing).
        lock_seconds: how long to wait for what another client has locked; None for the usual time.
        patience: how many seconds one reply of PostgreSQL may take, although it lives.
        steady: this host's clock.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        lock_seconds: int | None = None,
        patience: float = _LONGEST_REPLY,
        steady: clock.SteadyClock | None = None,
    ) -> None:
        self.url, self.schema = split_schema(url)
        self.dialect: Dialect = "sqlite" if self.url.get_backend_name() == "sqlite" else "postgresql"
        self._steady = steady or clock.SteadyClock()
        self._skew = 0
        self._measured_at = -_SKEW_SECONDS
        self._lock_seconds = _PATIENCE_SECONDS if lock_seconds is None else lock_seconds
        self._foreign_seconds = _FOREIGN_SECONDS if lock_seconds is None else lock_seconds
        self._foreign = foreign_lock_of(self.url.database or "")
        self._writer_lock: WriterLock | None = None
        self._liveness: Liveness | None = None
        self._in_progress: AbstractContextManager[None] = nullcontext()
        if self.dialect == "sqlite":
            self._writer_lock = WriterLock(f"{self.url.database}.lock")
            self._writer = sqlite.make_engine(url, "BEGIN IMMEDIATE", pool_size=1, busy=_WRITER_BUSY)
            self._reader = sqlite.make_engine(url, "BEGIN", pool_size=pool_size, busy=_READER_BUSY)
            self._in_progress = InProgress(str(self.url.database), self.forget_connections)
        else:
            from mailsvc.store.postgresql import make_engine  # noqa: PLC0415 - its driver takes a while to load

            self._writer, self._liveness = make_engine(
                self.url, schema=self.schema, pool_size=pool_size, lock_seconds=self._lock_seconds, patience=patience
            )
            # The same pool. A transaction around one or two queries would double the round trips, and protect nothing.
            self._reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def engine(self) -> Engine:
        """The engine that writes."""
        return self._writer

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A read-write transaction; its changes are on stable storage when the block ends without an error."""
        refuse_to_wait()
        self._refuse_the_dead()
        is_done = False
        try:
            with self._turn() as connection:
                self._compare_clocks(connection)
                yield connection
                is_done = True
        except OperationalError as error:
            if is_done and error.connection_invalidated:
                error.add_note(_IN_DOUBT)
            if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                with suppress(SQLAlchemyError):
                    self.end_frozen_sessions()
            raise

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        """A transaction that may write. Between two tries at a file that another program has locked, others may try."""
        begun = clock.monotonic()
        with ExitStack() as held:
            while True:
                with ExitStack() as entered:
                    entered.enter_context(self._in_progress)
                    if self._writer_lock is not None:
                        entered.enter_context(self._writer_lock)
                    try:
                        connection = entered.enter_context(self._writer.begin())
                    except OperationalError as error:
                        if not is_locked(error):
                            raise
                        self._foreign.note()
                        if clock.monotonic() - begun > self._foreign_seconds:
                            raise
                        continue
                    held.enter_context(entered.pop_all())
                    break
            self._foreign.end()
            yield connection

    @property
    def locked_seconds(self) -> float:
        """For how long writers have found the file locked by another program; 0 where it is not."""
        return self._foreign.seconds

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction; on SQLite it sees one snapshot."""
        refuse_to_wait()
        self._refuse_the_dead()
        with self._in_progress, self._reader.connect() as connection:
            if self.dialect == "sqlite" or self.schema is not None:
                connection.begin()  # SQLAlchemy begins a transaction by itself, but not for queries through the driver
            self._compare_clocks(connection)
            try:
                yield connection
            except DBAPIError as error:
                if error.connection_invalidated and not connection.invalidated:
                    # The query went through the driver. Like SQLAlchemy, drop all connections if one is lost.
                    connection.invalidate(error)
                    self.forget_connections()
                raise

    def _refuse_the_dead(self) -> None:
        """Raise at once if the server was just found dead, so that not everybody waits."""
        if self._liveness is not None and self._liveness.is_dead():
            raise OperationalError(None, None, ConnectionError("the database server does not reply"))

    def now(self) -> int:
        """The queue's clock, by which due times are judged: steady on one host, the server's if hosts share it."""
        return self._steady.now() + self._skew

    def measure_skew(self) -> None:
        """Measure the difference between this host's clock and the server's; on SQLite there is none."""
        self._measured_at = -_SKEW_SECONDS
        with self.read():
            pass

    def _compare_clocks(self, connection: Connection) -> None:
        """Measure the clock's difference before the first due time is judged, and from time to time."""
        if self.dialect == "sqlite" or clock.monotonic() - self._measured_at < _SKEW_SECONDS:
            return
        before = self._steady.now()
        server = connection.execute(_SERVER_TIME).scalar_one()
        self._skew = int(server) - (before + self._steady.now()) // 2
        self._measured_at = clock.monotonic()

    def end_frozen_sessions(self) -> None:
        """End sessions of mailsvc processes that are frozen inside a transaction, to release their locks (PostgreSQL).

        Nobody may be waiting: claims pass over rows that are locked, so that those would stay where they are.
        """
        if self.dialect == "sqlite":
            return
        with self.read() as connection:
            ended = connection.execute(_END_THE_FROZEN, {"patience": self._lock_seconds}).scalar_one()
        if ended:
            log.warning("ended database sessions of a process that stands still", extra=facts(sessions=ended))

    def forget_connections(self) -> None:
        """Drop every pooled connection, as after a lost server."""
        self._writer.dispose()
        self._reader.dispose()

    def pool_use(self) -> tuple[int, int]:
        """The numbers of connections in use and of idle ones."""
        pools = [engine.pool for engine in {self._writer, self._reader}]
        queues = [pool for pool in pools if isinstance(pool, QueuePool)]
        return sum(pool.checkedout() for pool in queues), sum(pool.checkedin() for pool in queues)

    def close(self) -> None:
        self.forget_connections()


def commits_in_turn(dialect: str) -> list[Statement]:
    """Statements that make the commits of transactions with them happen one after another.

    It gives rows numbers in the order in which readers see them. On SQLite every writer is alone anyway.
    """
    return [] if dialect == "sqlite" else [Statement("SELECT pg_advisory_xact_lock(7239450711)")]


def explain(error: SQLAlchemyError | OSError, url: str = "") -> str:
    """The database's error in one line, without the statement, its values, or secrets of the URL."""
    origin = getattr(error, "orig", None) or error
    said = str(origin).strip().splitlines()[0] if str(origin).strip() else type(origin).__name__
    for secret in _secrets_of(url):
        said = said.replace(secret, "********")
    return said


def _secrets_of(url: str) -> list[str]:
    parts = make_url(url) if url else None
    if parts is None:
        return []
    options = chain.from_iterable(
        (name, *([value] if isinstance(value, str) else value))
        for name, value in parts.query.items()
        if name != "schema"
    )
    return [text for text in (str(parts.password or ""), *options) if text]
