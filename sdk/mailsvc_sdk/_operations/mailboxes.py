"""Mailboxes: ``/v1/mailboxes``."""

from collections.abc import Iterable
from typing import Unpack

from mailsvc_sdk._call import call
from mailsvc_sdk._exchange import Operation
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.objects import Mailbox, MailboxCheck
from mailsvc_sdk._models.probe import MailboxProbe
from mailsvc_sdk._models.record import decode
from mailsvc_sdk._operations import objects
from mailsvc_sdk._operations.fields import MailboxChanges, NewMailbox
from mailsvc_sdk._operations.paths import HasId, json_request, parameters, path
from mailsvc_sdk._options import Options

__all__ = ["check", "create", "delete", "get", "list_", "pause", "probe", "resume", "update"]

LONGEST_PROBE = 60  # seconds


def list_(
    options: Options,
    *,
    name: str | Iterable[str] | None = None,
    page_size: int = 200,
    limit: int | None = None,
    cursor: str | None = None,
) -> Query[Mailbox]:
    """List the app's mailboxes, newest first.

    Args:
        name: of those to list.
    """
    return objects.query(options, Mailbox, path("mailboxes"), parameters(name=name), page=(page_size, limit, cursor))


def get(options: Options, id: str | HasId) -> Operation[Mailbox]:
    """Return a mailbox. Raises NotFound."""
    return (yield from objects.fetch(options, Mailbox, "mailboxes", id))


def create(options: Options, **fields: Unpack[NewMailbox]) -> Operation[Mailbox]:
    """Make a mailbox; a field that is left out or None has its default. Raises ValidationError, Conflict if the name is taken."""
    return (yield from objects.create(options, Mailbox, "mailboxes", fields))


def update(options: Options, id: str | HasId, /, **fields: Unpack[MailboxChanges]) -> Operation[Mailbox]:
    """Change a mailbox; None resets a field. Raises NotFound, ValidationError, Conflict if the name is taken."""
    return (yield from objects.change(options, Mailbox, ("mailboxes", id), fields))


def delete(options: Options, id: str | HasId) -> Operation[None]:
    """Delete a mailbox. Raises NotFound, Conflict."""
    return (yield from objects.remove(options, "mailboxes", id))


def check(options: Options, id: str | HasId) -> Operation[MailboxCheck]:
    """Connect and log in, and return what each step gave. Raises NotFound."""
    return (yield from objects.act(options, MailboxCheck, "mailboxes", id, "check"))


def probe(
    options: Options, id: str | HasId, *, relay: str | None = None, address: str | None = None
) -> Operation[MailboxProbe]:
    """Send three mails to the mailbox's own address, and return what the account supports. It takes a minute at most.

    Args:
        relay: name or id of the relay to send by.
        address: the mailbox's own address, if it is not its user name.

    Raises NotFound, Conflict, ValidationError.
    """
    given = {name: value for name, value in {"relay": relay, "address": address}.items() if value is not None}
    request = json_request("POST", path("mailboxes", id, "probe"), given, held_for=LONGEST_PROBE)
    return decode(MailboxProbe, (yield from call(options, request)).json())


def pause(options: Options, id: str | HasId, *, reason: str | None = None) -> Operation[Mailbox]:
    """Do not use a mailbox until it is resumed. Raises NotFound."""
    return (yield from objects.act(options, Mailbox, "mailboxes", id, "pause", fields={"reason": reason}))


def resume(options: Options, id: str | HasId) -> Operation[Mailbox]:
    """Use a mailbox again, at once. Raises NotFound."""
    return (yield from objects.act(options, Mailbox, "mailboxes", id, "resume"))
