"""The methods of ``AsyncMailsvc``, by what they are about."""

from collections.abc import AsyncIterator, Iterable

from mailsvc_sdk._drivers import AsyncResource, awaited, listed_async
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

__all__ = [
    "AsyncEvents",
    "AsyncInbound",
    "AsyncKeys",
    "AsyncMailboxes",
    "AsyncMessages",
    "AsyncRelays",
    "AsyncSubmissions",
    "AsyncSuppressions",
    "AsyncWebhooks",
]


class AsyncMessages(AsyncResource):
    """AsyncMessages, and what becomes of them."""

    send = awaited(messages.send)
    send_raw = awaited(messages.send_raw)
    send_batch = awaited(batch.send_batch)
    list = listed_async(messages.list_)
    get = awaited(messages.get)
    raw = awaited(messages.raw)
    events = listed_async(feed.of_message)
    attempts = listed_async(messages.attempts)
    validate = awaited(messages.validate)
    cancel = awaited(messages.cancel)
    retry = awaited(messages.retry)
    hold = awaited(messages.hold)
    release = awaited(messages.release)
    reschedule = awaited(messages.reschedule)
    update = awaited(messages.update)
    wait = awaited(waiting.wait)


class AsyncEvents(AsyncResource):
    """The feed of everything that happens."""

    list = listed_async(feed.list_)

    async def follow(
        self,
        after: str | Event = "now",
        *,
        types: str | Iterable[str] | None = None,
        message: str | HasId | Iterable[str] | None = None,
        wait: int = 30,
    ) -> AsyncIterator[Event]:
        """Return all events from a place on, for ever: each once, in their order, whatever happens to the connection.

        Args:
            after: an event, its id or ``cursor``, ``beginning`` or ``now``.
            types: such as ``message.bounced`` or ``message.*``.
            message: only those of this message.
            wait: seconds that a poll may last (1-30).

        Raises APIError if trying again is of no use (401, 403, 410, 422).
        """
        follower = feed.follow(self._driver.options, after, types=types, message=message, wait=wait)
        while True:
            for event in await self._driver.run(follower.poll()):
                yield event


class AsyncInbound(AsyncResource):
    """Mails that arrived."""

    list = listed_async(inbound.list_)
    get = awaited(inbound.get)
    raw = awaited(inbound.raw)
    attachment = awaited(inbound.attachment)
    reply = awaited(inbound.reply)


class AsyncMailboxes(AsyncResource):
    """Accounts that are watched."""

    list = listed_async(mailboxes.list_)
    get = awaited(mailboxes.get)
    create = awaited(mailboxes.create)
    update = awaited(mailboxes.update)
    delete = awaited(mailboxes.delete)
    check = awaited(mailboxes.check)
    probe = awaited(mailboxes.probe)
    pause = awaited(mailboxes.pause)
    resume = awaited(mailboxes.resume)


class AsyncRelays(AsyncResource):
    """Accounts that mail is sent through."""

    list = listed_async(relays.list_)
    get = awaited(relays.get)
    create = awaited(relays.create)
    update = awaited(relays.update)
    delete = awaited(relays.delete)
    check = awaited(relays.check)
    pause = awaited(relays.pause)
    resume = awaited(relays.resume)


class AsyncWebhooks(AsyncResource):
    """Endpoints for events."""

    list = listed_async(webhooks.list_)
    get = awaited(webhooks.get)
    create = awaited(webhooks.create)
    update = awaited(webhooks.update)
    delete = awaited(webhooks.delete)
    test = awaited(webhooks.test)
    rotate_secret = awaited(webhooks.rotate_secret)
    replay = awaited(webhooks.replay)
    deliveries = listed_async(webhooks.deliveries)


class AsyncSubmissions(AsyncResource):
    """Rows of ``mailsvc_submission`` that are not taken up."""

    list = listed_async(submissions.list_)
    get = awaited(submissions.get)
    retry = awaited(submissions.retry)
    delete = awaited(submissions.delete)


class AsyncSuppressions(AsyncResource):
    """Addresses that must not be mailed."""

    list = listed_async(suppressions.list_)
    get = awaited(suppressions.get)
    create = awaited(suppressions.create)
    update = awaited(suppressions.update)
    delete = awaited(suppressions.delete)


class AsyncKeys(AsyncResource):
    """API keys."""

    list = listed_async(keys.list_)
    get = awaited(keys.get)
    create = awaited(keys.create)
    update = awaited(keys.update)
    revoke = awaited(keys.revoke)
