"""``Outbox`` with Django's connections."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Unpack

from django.db import connections, router

from mailsvc.django.options import option, table
from mailsvc.transactional import Outbox, Receipt
from mailsvc.transactional.sending.draft import DraftFields

__all__ = ["DjangoOutbox"]


class DjangoOutbox:
    """Writes mails into the transaction of ``atomic``; outside of one they are sent at once."""

    def send(
        self,
        target: Any = None,
        message: Mapping[str, Any] | None = None,
        /,
        *,
        using: str | None = None,
        id: str | None = None,
        app: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[DraftFields],
    ) -> Receipt:
        """As ``Outbox.send``.

        Args:
            target: a connection; by default, that of ``using``.
            using: an alias of ``DATABASES``; by default ``MAILSVC["DATABASE"]``, else what the routers say.
        """
        where = self._connection(using) if target is None else target
        return self._outbox.send(where, message, id=id, app=app, idempotency_key=idempotency_key, **fields)

    def send_many(
        self,
        messages: Iterable[Mapping[str, Any]],
        /,
        *,
        using: str | None = None,
        app: str | None = None,
    ) -> list[Receipt]:
        """As ``Outbox.send_many``."""
        return self._outbox.send_many(self._connection(using), messages, app=app)

    def pending(self, using: str | None = None) -> list[dict[str, Any]]:
        """Return the mails that nobody has taken up, as this connection sees them: in a TestCase, those of the test.

        Each is ``{"id", "app", "idempotency_key", "draft"}``, in the order of the ids.
        """
        with self._connection(using).cursor() as cursor:
            cursor.execute(
                "SELECT id, app, idempotency_key, draft "  # noqa: S608 - our table
                f"FROM {table('mailsvc_submission')} WHERE errors IS NULL ORDER BY id"
            )
            rows = cursor.fetchall()
        names = ("id", "app", "idempotency_key", "draft")
        return [dict(zip(names, [*row[:3], json.loads(row[3])], strict=True)) for row in rows]

    @cached_property
    def _outbox(self) -> Outbox:
        return Outbox(app=option("APP") or "default", schema=option("SCHEMA"), data_dir=option("DATA_DIR"))

    def _connection(self, using: str | None) -> Any:
        return connections[using or option("DATABASE") or _routed()]


def _routed() -> str:
    """The alias that the project's routers choose."""
    from mailsvc.django.models import Submission  # noqa: PLC0415 - models come after the apps

    return str(router.db_for_write(Submission))
