"""``Outbox``: mails in the application's own transaction."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from sqlalchemy import Connection, Engine, MetaData, Table

from mailsvc.domain.draft import Limits
from mailsvc.store.submission_tables import define_submission
from mailsvc.transactional.receipt import Receipt
from mailsvc.transactional.ring import Ring
from mailsvc.transactional.sending.draft import DraftFields
from mailsvc.transactional.sqlite_engine import put_in_order
from mailsvc.transactional.submission import Names, Submission, submission_of, submissions_of
from mailsvc.transactional.targets import Place, insert_async, insert_rows, sync_engine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Outbox"]


class Outbox:
    """Writes mails into the transaction that an application has open: they are sent if, and only if, it is committed.

    It opens no connection and starts no thread. One for a process is enough; it may be made at import.

    Args:
        engine: the application's. On SQLite, its new connections are put in order, so that savepoints hold; on a Session
            with several binds it says which one has the tables.
        app: the name of the app of mailsvc that sends.
        schema: of the tables (PostgreSQL); by default, what the connection's ``search_path`` finds.
        data_dir: of a service on this host; telling it saves the service some waiting. By default ``MAILSVC_DATA_DIR``.
        limits: of the service, where they are not the usual ones.

    Raises:
        RuntimeError: a SQLite engine has connections already.
    """

    def __init__(
        self,
        engine: "Engine | AsyncEngine | None" = None,
        *,
        app: str = "default",
        schema: str | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._app, self._limits = app, limits or Limits()
        self._place = Place(define_submission(MetaData(), schema=schema), sync_engine(engine), Ring(data_dir))
        if engine is not None:
            self.use(engine)

    def send(
        self,
        target: object,
        message: Mapping[str, Any] | None = None,
        /,
        *,
        id: str | None = None,
        app: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[DraftFields],
    ) -> Receipt:
        """Insert a mail into the transaction that is open on the target, by one statement.

        Nothing is committed: that remains the application's. On a target in autocommit the mail is sent at once.

        Args:
            target: a Session, scoped_session or Connection of SQLAlchemy, Django's connection, or a connection of sqlite3
                or psycopg.
            message: the JSON of ``POST /v1/messages``; the keywords go over it.
            id: the mail's, from ``new_message_id``; by default, a new one.
            app: instead of the Outbox's.
            idempotency_key: of several mails with the same key, one is sent.

        Raises:
            ValidationError, TooLarge: as the API would refuse the mail; the transaction is untouched.
            TypeError: the target is none of these, or a value is of no use.
            RuntimeError: on SQLite, a savepoint that might be committed alone.
            ValueError: the target's database is not that of the Outbox's engine.
        """
        submission = self._submission(message, fields, Names(app or self._app, id, idempotency_key))
        insert_rows(target, [submission.row], self._place)
        return submission.receipt

    async def asend(
        self,
        target: object,
        message: Mapping[str, Any] | None = None,
        /,
        *,
        id: str | None = None,
        app: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[DraftFields],
    ) -> Receipt:
        """As ``send``, for an AsyncSession, async_scoped_session or AsyncConnection."""
        submission = self._submission(message, fields, Names(app or self._app, id, idempotency_key))
        await insert_async(target, [submission.row], self._place)
        return submission.receipt

    def send_many(
        self, target: object, messages: Iterable[Mapping[str, Any]], /, *, app: str | None = None
    ) -> list[Receipt]:
        """Insert mails by one statement: all or none.

        Raises as ``send``, with the errors of every mail, their fields below ``messages.<its place>``; ValueError for more
        than 8000.
        """
        submissions = submissions_of(messages, Names(app or self._app), self._limits)
        if submissions:
            insert_rows(target, [submission.row for submission in submissions], self._place)
        return [submission.receipt for submission in submissions]

    async def asend_many(
        self, target: object, messages: Iterable[Mapping[str, Any]], /, *, app: str | None = None
    ) -> list[Receipt]:
        """As ``send_many``, for the targets of ``asend``."""
        submissions = submissions_of(messages, Names(app or self._app), self._limits)
        if submissions:
            await insert_async(target, [submission.row for submission in submissions], self._place)
        return [submission.receipt for submission in submissions]

    def use(self, engine: "Engine | AsyncEngine") -> None:
        """Put a further engine in order (SQLite). Raises RuntimeError if it has connections already."""
        found = sync_engine(engine)
        if found is not None and found.dialect.name == "sqlite":
            put_in_order(found)

    def tables(self, metadata: MetaData) -> Table:
        """Add ``mailsvc_submission`` to a metadata, for ``create_all`` in tests of the application."""
        return define_submission(metadata, schema=self._place.table.schema)

    def check(self, bind: Engine | Connection) -> None:
        """Check that the service's tables are there.

        Args:
            bind: of an AsyncConnection, write ``await connection.run_sync(outbox.check)``.

        Raises:
            TablesMissing: they are not, or not those of this version; the text says what to run.
        """
        from mailsvc.transactional.tables import require_tables  # noqa: PLC0415 - only programs that check need it

        require_tables(bind, self._place.table.schema)

    def _submission(self, message: Mapping[str, Any] | None, fields: Mapping[str, Any], names: Names) -> Submission:
        return submission_of(message, fields, names, self._limits)
