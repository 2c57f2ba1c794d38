"""What a program sends by its service, without HTTP."""

from collections.abc import Mapping
from typing import Any, Unpack

from mailsvc.embedding.storage import Storage
from mailsvc.settings import Settings
from mailsvc.transactional import Outbox, Receipt
from mailsvc.transactional.ring import Ring
from mailsvc.transactional.sending.draft import DraftFields

__all__ = ["Sending"]


class Sending:
    """Inserts mails into the service's database.

    Attributes:
        outbox: for mails in a transaction of the program's, on the same database.
    """

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._storage, self._ring = storage, Ring(settings.data_dir)
        self.outbox = Outbox(schema=settings.database_schema, data_dir=settings.data_dir, limits=settings.limits)

    def send(
        self,
        message: Mapping[str, Any] | None = None,
        /,
        *,
        app: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[DraftFields],
    ) -> Receipt:
        """Have a mail sent, in a transaction of its own; it is on stable storage on return.

        The service need not run here: whichever process has the role ``intake`` takes it up.

        Args:
            message: the JSON of ``POST /v1/messages``; the keywords go over it.
            app: the name of the app that sends.
            idempotency_key: of several mails with the same key, one is sent.

        Raises:
            ValidationError, TooLarge: as the API would refuse the mail.
            SettingsError, TablesMissing, Unavailable: as ``start``.
        """
        with self._storage.database().write() as connection:
            receipt = self.outbox.send(connection, message, app=app, idempotency_key=idempotency_key, **fields)
        self._ring()
        return receipt
