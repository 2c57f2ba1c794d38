"""What can become of a mail in tests, by hand."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from mailsvc_sdk import events as kinds
from mailsvc_sdk._models.message import Accepted, Message
from mailsvc_sdk._sending.attachments import Attachable, attachment
from mailsvc_sdk.testing._arrivals import arrived
from mailsvc_sdk.testing._sent import SentMail
from mailsvc_sdk.testing._state import State

__all__ = ["AnyMail", "Fates"]

AnyMail = str | Accepted | Message | SentMail

HARD = frozenset({"mailbox_unknown", "mailbox_disabled", "domain_unknown"})


class Fates:
    """Lets things happen to mails. Each returns its event; without ``recipient`` it happens to all, and the last is returned."""

    _state: State

    def sent(self, mail: AnyMail, recipient: str | None = None) -> kinds.MessageSent:
        """Let the relay accept it."""
        smtp = _reply("eom", 250, None, "OK")
        return cast("kinds.MessageSent", self._move(mail, recipient, "sent", smtp=smtp))

    def deliver(self, mail: AnyMail, recipient: str | None = None) -> kinds.MessageDelivered:
        """Let a report confirm the delivery."""
        return cast("kinds.MessageDelivered", self._move(mail, recipient, "delivered"))

    def bounce(
        self,
        mail: AnyMail,
        recipient: str | None = None,
        *,
        reason: str = "mailbox_unknown",
        type: str | None = None,
        code: int = 550,
        enhanced_code: str = "5.1.1",
        text: str = "No such user",
    ) -> kinds.MessageBounced:
        """Let it bounce. A hard one suppresses the address.

        Args:
            type: ``hard`` or ``soft``; by default, what fits the reason.
        """
        kind = type or ("hard" if reason in HARD else "soft")
        bounce = {
            "type": kind,
            "reason": reason,
            "source": "smtp",
            "code": code,
            "enhanced_code": enhanced_code,
            "diagnostic": text,
        }
        smtp = _reply("rcpt", code, enhanced_code, text)
        suppression = "hard_bounce" if kind == "hard" and reason in HARD else None
        event = self._move(mail, recipient, "bounced", suppress=suppression, smtp=smtp, bounce=bounce)
        return cast("kinds.MessageBounced", event)

    def defer(
        self,
        mail: AnyMail,
        recipient: str | None = None,
        *,
        code: int = 450,
        enhanced_code: str = "4.2.0",
        text: str = "Try again later",
    ) -> kinds.MessageDeferred:
        """Let an attempt fail that will be repeated."""
        smtp = _reply("rcpt", code, enhanced_code, text)
        return cast("kinds.MessageDeferred", self._move(mail, recipient, "deferred", smtp=smtp))

    def delay(self, mail: AnyMail, recipient: str | None = None) -> kinds.MessageDelayed:
        """Let a later server report that it still tries."""
        return cast("kinds.MessageDelayed", self._tell(mail, recipient, "message.delayed"))

    def complain(self, mail: AnyMail, recipient: str | None = None) -> kinds.MessageComplained:
        """Let the recipient call it spam. It suppresses the address."""
        return cast("kinds.MessageComplained", self._move(mail, recipient, "complained", suppress="complaint"))

    def suppress(self, mail: AnyMail, recipient: str | None = None) -> kinds.MessageSuppressed:
        """Let it not be sent for the suppression list's sake."""
        return cast("kinds.MessageSuppressed", self._move(mail, recipient, "suppressed"))

    def expire(self, mail: AnyMail, recipient: str | None = None) -> kinds.MessageExpired:
        """Let the time be over."""
        return cast("kinds.MessageExpired", self._move(mail, recipient, "expired"))

    def cancel(self, mail: AnyMail, recipient: str | None = None) -> kinds.MessageCanceled:
        """Cancel it."""
        return cast("kinds.MessageCanceled", self._move(mail, recipient, "canceled"))

    def hold(self, mail: AnyMail, recipient: str | None = None) -> kinds.MessageHeld:
        """Let it wait until it is released."""
        return cast("kinds.MessageHeld", self._move(mail, recipient, "held"))

    def reply(
        self,
        mail: AnyMail,
        text: str = "Thank you",
        *,
        from_: str | None = None,
        html: str | None = None,
        attachments: Iterable[Attachable] = (),
    ) -> kinds.MessageReplied:
        """Let a person answer.

        Args:
            from_: by default, the first recipient.
        """
        content = {"text": text, "html": html, "attachments": [attachment(entry) for entry in attachments]}
        return cast("kinds.MessageReplied", self._arrive(mail, from_, "reply", content))

    def auto_reply(
        self, mail: AnyMail, text: str = "I am on holiday", *, from_: str | None = None
    ) -> kinds.MessageAutoReplied:
        """Let a machine answer."""
        return cast("kinds.MessageAutoReplied", self._arrive(mail, from_, "auto_reply", {"text": text}))

    def _mail(self, mail: AnyMail) -> SentMail:
        return self._state.mail(mail if isinstance(mail, str) else mail.id)

    def _each(
        self, mail: AnyMail, recipient: str | None, act: Callable[[SentMail, dict[str, Any]], kinds.Event]
    ) -> kinds.Event:
        with self._state.lock:
            found = self._mail(mail)
            wanted = [d for d in found.document["deliveries"] if recipient in {None, d["recipient"]}]
            if not wanted:
                raise ValueError(f"{recipient} is no recipient of {found.id}: {', '.join(found.recipients)}")
            return [act(found, delivery) for delivery in wanted][-1]

    def _move(
        self, mail: AnyMail, recipient: str | None, status: str, *, suppress: str | None = None, **data: Any
    ) -> kinds.Event:
        def act(found: SentMail, delivery: dict[str, Any]) -> kinds.Event:
            delivery["attempts"] += "smtp" in data
            delivery["last_smtp"] = data.get("smtp", delivery["last_smtp"])
            self._state.move(found, delivery, status)
            event = self._state.tell(f"message.{status}", _about(found, delivery) | data, of=found.id)
            if suppress:
                self._state.suppress(delivery["recipient"], reason=suppress, event_id=event.id)
            return event

        return self._each(mail, recipient, act)

    def _tell(self, mail: AnyMail, recipient: str | None, type_: str) -> kinds.Event:
        def act(found: SentMail, delivery: dict[str, Any]) -> kinds.Event:
            return self._state.tell(type_, _about(found, delivery), of=found.id)

        return self._each(mail, recipient, act)

    def _arrive(self, mail: AnyMail, from_: str | None, kind: str, content: dict[str, Any]) -> kinds.Event:
        with self._state.lock:
            found = self._mail(mail)
            sender = from_ or found.recipients[0]
            deliveries = found.document["deliveries"]
            delivery = next((d for d in deliveries if d["recipient"] == sender), deliveries[0])
            data = arrived(self._state, found, delivery, sender, kind, content)
            type_ = "message.replied" if kind == "reply" else "message.auto_replied"
            return self._state.tell(type_, _about(found, delivery) | data, of=found.id)


def _reply(stage: str, code: int, enhanced_code: str | None, text: str) -> dict[str, Any]:
    return {"stage": stage, "code": code, "enhanced_code": enhanced_code, "text": text, "host": "fake.test"}


def _about(mail: SentMail, delivery: dict[str, Any]) -> dict[str, Any]:
    return {
        "message_id": mail.id,
        "delivery_id": delivery["id"],
        "recipient": delivery["recipient"],
        "status": delivery["status"],
        "attempt": delivery["attempts"],
        "tags": mail.tags,
        "metadata": mail.metadata,
    }
