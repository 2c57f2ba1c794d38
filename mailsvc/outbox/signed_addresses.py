"""Puts signed addresses into a message before it is composed: where replies come back to, and where to unsubscribe."""

import msgspec

from mailsvc.domain.address import Mailbox
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.prepared import Headers, Prepared
from mailsvc.domain.returnpath import return_path_flaw
from mailsvc.mime.tokens import Purpose, plus_address, token

__all__ = ["Signing", "check_unsubscribe", "sign_addresses", "wants_unsubscribe"]

_FIELD = "list-unsubscribe"


class Signing(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is signed in the messages of a relay.

    Attributes:
        reply_token: replies come back to an address that names the message.
        unsubscribe_address: the mailbox for unsubscribe mails, before the token is added.
        public_url: where recipients reach this service, None if they don't.
    """

    key: bytes
    reply_token: bool = False
    unsubscribe_address: str | None = None
    public_url: str | None = None


def wants_unsubscribe(headers: Headers) -> bool:
    """Whether a message asks for a List-Unsubscribe field of ours."""
    return any(name.lower() == _FIELD and _is_auto(given) for name, given in headers.items())


def check_unsubscribe(prepared: Prepared, signing: Signing) -> None:
    """Raises Invalid for a message that can't have a List-Unsubscribe field of ours."""
    if len(prepared.recipients) > 1:
        detail = (
            "is auto, which names one recipient: send each recipient a message of their own (POST /v1/messages/batch)"
        )
    elif signing.unsubscribe_address is None and signing.public_url is None:
        detail = "is auto, which needs unsubscribe_mailbox at the relay, or MAILSVC_PUBLIC_URL"
    elif signing.unsubscribe_address is not None and (flaw := return_path_flaw(signing.unsubscribe_address)):
        detail = f"is auto, and the address of the relay's unsubscribe_mailbox {flaw.partition(': use')[0]}"
    else:
        return
    raise Invalid(FieldError("headers.List-Unsubscribe", detail))


def sign_addresses(prepared: Prepared, signing: Signing, *, message_id: str, delivery_id: str) -> Prepared:
    """Return the message with its signed addresses.

    Args:
        message_id, delivery_id: ids of the message and of its first recipient's delivery.
    """
    if signing.reply_token:
        prepared = msgspec.structs.replace(prepared, reply_to=_with_token(prepared, signing, message_id))
    if wants_unsubscribe(prepared.headers):
        prepared = _with_unsubscribe(prepared, signing, delivery_id)
    return prepared


def _with_token(prepared: Prepared, signing: Signing, message_id: str) -> tuple[Mailbox, ...]:
    first, *others = prepared.reply_to or (prepared.sender,)
    if return_path_flaw(first.addr) is not None:
        return prepared.reply_to  # too long for a token: replies are found by In-Reply-To
    local, _, domain = plus_address(first.addr, message_id, Purpose.REPLY, signing.key).rpartition("@")
    return (Mailbox(first.name, local, domain), *others)


def _with_unsubscribe(prepared: Prepared, signing: Signing, delivery_id: str) -> Prepared:
    """Return the message with the field of RFC 2369 section 3.2 and, for a public https URL, that of RFC 8058."""
    uris = []
    if signing.public_url is not None:
        uris.append(f"<{signing.public_url}/u/{token(delivery_id, Purpose.UNSUBSCRIBE, signing.key)}>")
    if signing.unsubscribe_address is not None:
        address = plus_address(signing.unsubscribe_address, delivery_id, Purpose.UNSUBSCRIBE, signing.key)
        uris.append(f"<mailto:{address}?subject=unsubscribe>")
    headers = {name: ", ".join(uris) if name.lower() == _FIELD else given for name, given in prepared.headers.items()}
    is_one_click = prepared.list_unsubscribe_post or (signing.public_url or "").startswith("https:")
    return msgspec.structs.replace(prepared, headers=headers, list_unsubscribe_post=is_one_click)


def _is_auto(given: str | tuple[str, ...]) -> bool:
    values = (given,) if isinstance(given, str) else given
    return [value.strip().lower() for value in values] == ["auto"]
