"""From a checked draft to the rows of the database. Nothing is stored here: see ``intake``."""

from collections.abc import Iterable
from typing import Any

import msgspec

from mailsvc import clock
from mailsvc.apps.suppressions import SuppressionList
from mailsvc.domain.draft import Attachment, Handling, Prepared, Recipient
from mailsvc.domain.ids import delivery_id, new_id
from mailsvc.domain.jsontext import compact
from mailsvc.domain.lifecycle import Status
from mailsvc.domain.relay import Relay
from mailsvc.eventlog.append import NewEvent
from mailsvc.mime.compose import compose
from mailsvc.mime.raw import RawSubmission
from mailsvc.outbox.signed_addresses import Signing, sign_addresses

__all__ = ["Given", "NewMessage", "Terms", "build_draft", "build_raw"]

# A priority is a head start in the queue's order of due times: a normal message overtakes low ones that are less than
# ten minutes older, and no message is overtaken for longer than twenty minutes.
HEAD_START = {"high": 20 * clock.MINUTE, "normal": 10 * clock.MINUTE, "low": 0}
PRIORITIES = {"high": 0, "normal": 1, "low": 2}

# Looked up once: an enum's value is a function call, and each delivery needs these several times.
_QUEUED, _SCHEDULED, _SUPPRESSED = Status.QUEUED.value, Status.SCHEDULED.value, Status.SUPPRESSED.value


class NewMessage(msgspec.Struct, gc=False):
    """One accepted message: the rows that will be committed together."""

    message: dict[str, Any]
    content: bytes
    deliveries: list[dict[str, Any]]
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    is_stored: bool = True  # when nothing more is to be sent, too

    @property
    def app_id(self) -> str:
        return str(self.message["app_id"])

    def suppress(self, listed: SuppressionList, now: int) -> None:
        """Mark the deliveries to suppressed addresses as not to be sent."""
        for row in self.deliveries:
            if listed.covers(self.app_id, row["recipient"], self.tags):
                row.update(
                    status=_SUPPRESSED,
                    due_at=None,
                    expires_at=None,
                    updated_at=now,
                )

    def new_events(self) -> list[NewEvent]:
        """The events of its acceptance."""
        message = self.message
        base = {
            "message_id": message["id"],
            "tags": self.tags,
            "metadata": self.metadata,
        }
        told = [
            NewEvent(
                self.app_id,
                "message.queued",
                {**base, "status": self.status},
                message["id"],
                sequence=1,
            )
        ]
        for row in self.deliveries:
            if row["status"] == _SUPPRESSED:
                facts = {
                    **base,
                    "delivery_id": row["id"],
                    "recipient": row["recipient"],
                    "status": row["status"],
                    "attempt": 0,
                }
                told.append(
                    NewEvent(
                        self.app_id,
                        "message.suppressed",
                        facts,
                        message["id"],
                        row["id"],
                        sequence=len(told) + 1,
                    )
                )
        return told

    @property
    def status(self) -> str:
        for row in self.deliveries:
            if row["status"] != _SUPPRESSED:
                return _SCHEDULED if self.message["scheduled_at"] else _QUEUED
        return _SUPPRESSED

    def answer(self) -> dict[str, Any]:
        """The body of the 202 response (contract)."""
        return {
            "id": self.message["id"],
            "message_id": self.message["message_id"],
            "status": self.status,
            "created_at": clock.rfc3339(self.message["created_at"]),
            "deliveries": [
                {"id": d["id"], "recipient": d["recipient"], "status": d["status"]} for d in self.deliveries
            ],
        }


class Given(msgspec.Struct, frozen=True, gc=False):
    """What the application's transaction has decided already."""

    id: str
    created_at: int


class Terms(msgspec.Struct, frozen=True, gc=False):
    """The app, relay and time of an accepted message."""

    app_id: str
    relay: Relay
    now: int  # by the queue's clock
    references: tuple[str, ...] = ()
    signing: Signing | None = None
    given: Given | None = None


def build_draft(prepared: Prepared, terms: Terms) -> NewMessage:
    """Build a message and freeze its bytes: every retry sends the same ones."""
    given = terms.given
    id_, now = (given.id, given.created_at) if given else (new_id("msg"), clock.now())
    message_id = f"<{id_[4:]}@{prepared.sender.domain}>"
    places = range(len(prepared.recipients))
    delivery_ids = [delivery_id(id_, n) if given else new_id("dlv") for n in places]
    signed = prepared
    if terms.signing is not None:
        signed = sign_addresses(prepared, terms.signing, message_id=id_, delivery_id=delivery_ids[0])
    content = compose(
        signed,
        message_id=message_id,
        date=now,
        references=terms.references,
        boundary_seed=id_[4:],
    )
    own = {
        "submitted": compact(_submitted(prepared)),
        "created_at": now,
        "message_id": message_id,
        "sender": str(prepared.sender),
        "envelope_sender": prepared.sender.addr,
        "return_path": prepared.return_path,
        "subject": prepared.subject,
        "smtputf8": prepared.utf8_headers,
        "eight_bit": prepared.utf8_headers,
    }
    new_message = _new_message({"id": id_, **own}, content, prepared.recipients, delivery_ids, prepared, terms)
    new_message.is_stored = prepared.store
    return new_message


def _submitted(prepared: Prepared) -> dict[str, Any]:
    """The submitted fields as they are shown later; the bodies are in the content."""
    return {
        "from": str(prepared.sender),
        "to": [*map(str, prepared.to)],
        "cc": [*map(str, prepared.cc)],
        "bcc": [*map(str, prepared.bcc)],
        "reply_to": [*map(str, prepared.reply_to)],
        "headers": prepared.headers,
        "attachments": [*map(_describe, prepared.attachments)],
        "in_reply_to": prepared.in_reply_to,
        "expires_in": prepared.expires_in,
        "relay": prepared.relay,
        "sender": str(prepared.agent) if prepared.agent else None,
        "return_path": prepared.return_path,
        "list_unsubscribe_post": prepared.list_unsubscribe_post,
        "store": prepared.store,
        "unended": _unended(prepared),
    }


def _describe(attachment: Attachment) -> dict[str, Any]:
    return {
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": len(attachment.content),
        "content_id": attachment.content_id,
        "disposition": attachment.disposition,
    }


def build_raw(raw: RawSubmission, handling: Handling, terms: Terms, *, id_: str) -> NewMessage:
    """Build the rows of a finished message (RFC 5322), whose bytes stay as they are."""
    submitted: dict[str, Any] = {
        "from": raw.header_from,
        "to": list(raw.to),
        "cc": list(raw.cc),
        "bcc": [r.address for r in raw.recipients if r.kind == "bcc"],
        "reply_to": list(raw.reply_to),
        "headers": {},
        "attachments": [],
        "in_reply_to": None,
        "expires_in": handling.expires_in,
        "relay": handling.relay,
    }
    own = {
        "submitted": compact(submitted),
        "created_at": clock.now(),
        "message_id": raw.message_id,
        "sender": raw.header_from,
        "envelope_sender": raw.sender.addr,
        "return_path": None,
        "subject": raw.subject,
        "smtputf8": raw.sender.needs_smtputf8 or any(r.needs_smtputf8 for r in raw.recipients),
        "eight_bit": raw.eight_bit,
    }
    delivery_ids = [new_id("dlv") for _ in raw.recipients]
    return _new_message({"id": id_, **own}, raw.content, raw.recipients, delivery_ids, handling, terms)


def _new_message(
    own: dict[str, Any],
    content: bytes,
    recipients: tuple[Recipient, ...],
    delivery_ids: list[str],
    handling: Handling | Prepared,
    terms: Terms,
) -> NewMessage:
    """Add the columns that follow from the message's handling."""
    accepted_at = terms.given.created_at if terms.given else terms.now
    message = {
        "app_id": terms.app_id,
        "relay_id": terms.relay.id,
        **own,
        "size": len(content),
        "priority": PRIORITIES[handling.priority],
        "on_uncertain": handling.on_uncertain,
        "delivery_receipt": handling.delivery_receipt,
        "scheduled_at": handling.scheduled_at,
        "expires_at": (handling.scheduled_at or accepted_at) + handling.expires_in * clock.SECOND,
        "tags": compact(handling.tags),
        "metadata": compact(handling.metadata),
    }
    deliveries = _delivery_rows(message, zip(delivery_ids, recipients, strict=True), handling.priority, terms)
    return NewMessage(message, content, deliveries, handling.tags, handling.metadata)


def _unended(prepared: Prepared) -> list[str]:
    """The texts whose last line lacks a line break: they are sent with one, and shown without it."""
    texts = (("text", prepared.text), ("html", prepared.html))
    return [name for name, text in texts if text is not None and not text.endswith("\r\n")]


def _delivery_rows(
    message: dict[str, Any],
    recipients: Iterable[tuple[str, Recipient]],
    priority: str,
    terms: Terms,
) -> list[dict[str, Any]]:
    scheduled = message["scheduled_at"]
    common = {
        "message_id": message["id"],
        "app_id": terms.app_id,
        "relay_id": terms.relay.id,
        "status": _SCHEDULED if scheduled else _QUEUED,
        "attempts": 0,
        "lease_token": 0,
        "uncertain": False,
        "due_at": scheduled or terms.now - HEAD_START[priority],
        "expires_at": message["expires_at"],
        "created_at": message["created_at"],
        "updated_at": message["created_at"],
    }
    return [{"id": id_, "recipient": r.address, "kind": r.kind, **common} for id_, r in recipients]
