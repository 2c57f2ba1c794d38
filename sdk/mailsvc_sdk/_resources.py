"""The methods of ``Mailsvc``, by what they are about."""

import threading
from collections.abc import Iterable, Iterator

from mailsvc_sdk._drivers import Resource, called, listed
from mailsvc_sdk._operations import (
    batch,
    inbound,
    keys,
    mailboxes,
    messages,
    relays,
    submissions,
    suppressions,
    waiting,
    webhooks,
)
from mailsvc_sdk._operations import events as feed
from mailsvc_sdk._operations.paths import HasId
from mailsvc_sdk.events import Event

__all__ = ["Events", "Inbound", "Keys", "Mailboxes", "Messages", "Relays", "Submissions", "Suppressions", "Webhooks"]


class Messages(Resource):
    """Messages, and what becomes of them."""

    send = called(messages.send)
    send_raw = called(messages.send_raw)
    send_batch = called(batch.send_batch)
    list = listed(messages.list_)
    get = called(messages.get)
    raw = called(messages.raw)
    events = listed(feed.of_message)
    attempts = listed(messages.attempts)
    validate = called(messages.validate)
    cancel = called(messages.cancel)
    retry = called(messages.retry)
    hold = called(messages.hold)
    release = called(messages.release)
    reschedule = called(messages.reschedule)
    update = called(messages.update)
    wait = called(waiting.wait)


class Events(Resource):
    """The feed of everything that happens."""

    list = listed(feed.list_)

    def follow(
        self,
        after: str | Event = "now",
        *,
        types: str | Iterable[str] | None = None,
        message: str | HasId | Iterable[str] | None = None,
        wait: int = 30,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Return all events from a place on, for ever: each once, in their order, whatever happens to the connection.

        Args:
            after: an event, its id or ``cursor``, ``beginning`` or ``now``.
            types: such as ``message.bounced`` or ``message.*``.
            message: only those of this message.
            wait: seconds that a poll may last (1-30).
            stop: ends it; looked at after each poll.

        Raises APIError if trying again is of no use (401, 403, 410, 422).
        """
        follower = feed.follow(self._driver.options, after, types=types, message=message, wait=wait)
        while stop is None or not stop.is_set():
            yield from self._driver.run(follower.poll())


class Inbound(Resource):
    """Mails that arrived."""

    list = listed(inbound.list_)
    get = called(inbound.get)
    raw = called(inbound.raw)
    attachment = called(inbound.attachment)
    reply = called(inbound.reply)


class Mailboxes(Resource):
    """Accounts that are watched."""

    list = listed(mailboxes.list_)
    get = called(mailboxes.get)
    create = called(mailboxes.create)
    update = called(mailboxes.update)
    delete = called(mailboxes.delete)
    check = called(mailboxes.check)
    probe = called(mailboxes.probe)
    pause = called(mailboxes.pause)
    resume = called(mailboxes.resume)


class Relays(Resource):
    """Accounts that mail is sent through."""

    list = listed(relays.list_)
    get = called(relays.get)
    create = called(relays.create)
    update = called(relays.update)
    delete = called(relays.delete)
    check = called(relays.check)
    pause = called(relays.pause)
    resume = called(relays.resume)


class Webhooks(Resource):
    """Endpoints for events."""

    list = listed(webhooks.list_)
    get = called(webhooks.get)
    create = called(webhooks.create)
    update = called(webhooks.update)
    delete = called(webhooks.delete)
    test = called(webhooks.test)
    rotate_secret = called(webhooks.rotate_secret)
    replay = called(webhooks.replay)
    deliveries = listed(webhooks.deliveries)


class Submissions(Resource):
    """Rows of ``mailsvc_submission`` that are not taken up."""

    list = listed(submissions.list_)
    get = called(submissions.get)
    retry = called(submissions.retry)
    delete = called(submissions.delete)


class Suppressions(Resource):
    """Addresses that must not be mailed."""

    list = listed(suppressions.list_)
    get = called(suppressions.get)
    create = called(suppressions.create)
    update = called(suppressions.update)
    delete = called(suppressions.delete)


class Keys(Resource):
    """API keys."""

    list = listed(keys.list_)
    get = called(keys.get)
    create = called(keys.create)
    update = called(keys.update)
    revoke = called(keys.revoke)
