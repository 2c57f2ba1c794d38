"""Checks a message of an application and builds its rows; they are not stored here."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import LargeBinary, func, select

from mailsvc.apps.mailboxes import address_of_mailbox
from mailsvc.apps.relay_book import RelayBook
from mailsvc.apps.relay_choice import likely_relay, relay_for
from mailsvc.domain.draft import Draft, Limits, Prepared, require_size
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.ids import is_id, new_id
from mailsvc.domain.message_form import check, check_handling
from mailsvc.domain.relay import Relay
from mailsvc.domain.returnpath import return_path_flaw
from mailsvc.mime.raw import prepare_raw
from mailsvc.mime.threads import references_of_answer
from mailsvc.outbox.answered import read_answered
from mailsvc.outbox.message_rows import Given, NewMessage, Terms, build_draft, build_raw
from mailsvc.outbox.signed_addresses import Signing, check_unsubscribe, wants_unsubscribe
from mailsvc.store.database import Database
from mailsvc.store.tables import body, message

__all__ = ["MessageBuilder"]

MOST_HEADER = 65_536  # bytes that are searched in the answered message


@dataclass(frozen=True, slots=True)
class MessageBuilder:
    """Builds messages of applications, for every door."""

    database: Database
    relays: RelayBook
    limits: Limits
    signing_key: bytes
    public_url: str | None = None

    def build(self, app_id: str, draft: Draft, given: Given | None = None) -> NewMessage:
        """Check a draft and build its rows.

        Args:
            given: the id and the time of a message that was submitted before, by a row.

        Raises:
            NoUsableRelay: there is no relay to send it by.
            Invalid: a field is wrong.
            Conflict: it answers a machine.
            TooLarge: its sent form is over the limit.
        """
        prepared, references = self._check(app_id, draft, given)
        relay = relay_for(self.relays.of_app(app_id), prepared.relay)
        return self._built(app_id, prepared, relay, references, given)

    def preview(self, app_id: str, draft: Draft, given: Given) -> tuple[NewMessage, str]:
        """As ``build``, for a message that is only shown: its relay needn't be usable. Returns that relay's name, too."""
        prepared, references = self._check(app_id, draft, given)
        relay = likely_relay(self.relays.of_app(app_id), prepared.relay)
        return self._built(app_id, prepared, relay, references, given), relay.name

    def _check(self, app_id: str, draft: Draft, given: Given | None) -> tuple[Prepared, tuple[str, ...]]:
        references: tuple[str, ...] = ()
        if draft.in_reply_to and is_id(draft.in_reply_to, "arr"):
            answered = read_answered(self.database, app_id, draft.in_reply_to)
            draft, references = answered.complete(draft), answered.references
        prepared = check(draft, limits=self.limits, now=given.created_at if given else self.database.now())
        if prepared.in_reply_to and prepared.in_reply_to.startswith("msg_"):
            references = self._references(app_id, prepared.in_reply_to)
        return prepared, references

    def _built(
        self, app_id: str, prepared: Prepared, relay: Relay, references: tuple[str, ...], given: Given | None
    ) -> NewMessage:
        now = self.database.now()
        if prepared.return_path is not None and (flaw := return_path_flaw(prepared.return_path, verp=relay.verp)):
            raise Invalid(FieldError("return_path", flaw))
        new_message = build_draft(
            prepared, Terms(app_id, relay, now, references, self._signing(app_id, prepared, relay), given)
        )
        require_size(len(new_message.content), self.limits)
        return new_message

    def build_raw(
        self, app_id: str, content: bytes, *, sender: str | None, recipients: Sequence[str], handling: Draft
    ) -> NewMessage:
        """Check a finished message (RFC 5322) and build its rows.

        Args:
            sender: of the envelope; None takes it from the header.
            recipients: of the envelope; none takes them from the header.
            handling: a draft of which only what concerns the handling counts.

        Raises:
            Invalid: something in it is wrong, or there is no relay to send it by.
            TooLarge: it is over the limit.
        """
        now = self.database.now()
        checked = check_handling(handling, now=now)
        id_ = new_id("msg")
        raw = prepare_raw(
            content,
            sender=sender,
            recipients=list(recipients),
            limits=self.limits,
            now=now,
            token=id_[4:],
        )
        relay = relay_for(self.relays.of_app(app_id), checked.relay)
        return build_raw(raw, checked, Terms(app_id, relay, now), id_=id_)

    def _signing(self, app_id: str, prepared: Prepared, relay: Relay) -> Signing | None:
        """What is to be signed in this message; raises Invalid if that can't be done."""
        if not wants_unsubscribe(prepared.headers):
            return Signing(key=self.signing_key, reply_token=True) if relay.reply_token else None
        signing = Signing(
            key=self.signing_key,
            reply_token=relay.reply_token,
            unsubscribe_address=self._unsubscribe_address(app_id, prepared, relay),
            public_url=self.public_url,
        )
        check_unsubscribe(prepared, signing)
        return signing

    def _unsubscribe_address(self, app_id: str, prepared: Prepared, relay: Relay) -> str | None:
        if relay.unsubscribe_mailbox is None:
            return None
        address = address_of_mailbox(self.database, app_id, relay.unsubscribe_mailbox, domain=prepared.sender.domain)
        if address is None:
            detail = f"is auto, and relay {relay.name!r} names an unsubscribe_mailbox {relay.unsubscribe_mailbox!r} that is not there"
            raise Invalid(FieldError("headers.List-Unsubscribe", detail))
        return address

    def _references(self, app_id: str, id_: str) -> tuple[str, ...]:
        """The field References of a reply to this message (RFC 5322 section 3.6.4)."""
        beginning = func.substr(body.c.content, 1, MOST_HEADER, type_=LargeBinary)
        with self.database.read() as connection:
            found = connection.execute(
                select(message.c.message_id, beginning.label("content"))
                .outerjoin(body, body.c.message_id == message.c.id)
                .where(message.c.id == id_, message.c.app_id == app_id)
            ).first()
        if found is None:
            detail = "no such message; use a message id or a Message-ID in angle brackets"
            raise Invalid(FieldError("in_reply_to", detail))
        return references_of_answer(found.content or b"", found.message_id)
