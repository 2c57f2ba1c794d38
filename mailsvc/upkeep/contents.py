"""Removes the content of messages that were submitted with ``store: false``, once nothing more is to be sent of them."""

from sqlalchemy import Connection, delete, exists, select

from mailsvc.domain.lifecycle import FINAL, Status
from mailsvc.store.sent_tables import sent_job
from mailsvc.store.tables import body, delivery, passing_content

__all__ = ["remove_contents"]

AT_ONCE = 500
_OVER = [
    status.value for status in FINAL - {Status.UNCERTAIN}
]  # an uncertain delivery waits for somebody to decide whether it is sent again


def remove_contents(connection: Connection) -> int:
    """Remove the content of some of them. Returns of how many."""
    message_id = passing_content.c.message_id
    to_send = exists().where(delivery.c.message_id == message_id, delivery.c.status.not_in(_OVER))
    to_file = exists().where(sent_job.c.message_id == message_id, sent_job.c.due_at.is_not(None))
    ids = list(connection.execute(select(message_id).where(~to_send, ~to_file).limit(AT_ONCE)).scalars())
    if ids:
        connection.execute(delete(body).where(body.c.message_id.in_(ids)))
        connection.execute(delete(passing_content).where(message_id.in_(ids)))
    return len(ids)
