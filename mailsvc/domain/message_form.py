"""What a message of an application may contain, and the errors that name each field that breaks a rule."""

import re
from collections.abc import Callable
from functools import lru_cache

from mailsvc import clock
from mailsvc.domain.address import Mailbox, parse_mailbox
from mailsvc.domain.draft import Attachment, Draft, Handling, Limits, Prepared
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.fieldtext import body_flaw, crlf, field_flaw
from mailsvc.domain.files import check_attachments
from mailsvc.domain.labels import check_labels, label_flaw
from mailsvc.domain.prepared import recipients_of, require_size
from mailsvc.domain.returnpath import return_path_flaw
from mailsvc.domain.userheaders import check_headers

__all__ = ["check", "check_handling"]

MAX_AHEAD = 366 * clock.DAY

# No encoded word: lenient readers decode it even here, and it could hide a line break.
_REFERENCE = re.compile(r"(?!.*=\?)<[!-;=?-~]{1,250}>|(?:msg|arr)_[0-9a-z]{26}")


def check(draft: Draft, *, limits: Limits, now: int) -> Prepared:
    """Return the draft as a message that can be composed and queued.

    Raises:
        Invalid: names every error of the draft, each with its field.
        TooLarge: the message would be over ``limits.max_message_bytes``.
    """
    errors: list[FieldError] = []
    sender = _mailboxes("from", draft.from_, errors, parse=_parse_sender)
    agent = _mailboxes("sender", draft.sender, errors, parse=_parse_sender) if draft.sender is not None else ()
    to, cc, bcc, reply_to = _addressees(draft, limits, errors)
    headers = check_headers(draft.headers, errors) if draft.headers else {}
    attachments = _attachments(draft, limits, errors)
    _check_subject(draft.subject, errors)
    _check_content(draft, errors)
    check_labels(draft.tags, draft.metadata, errors)
    _check_handling(draft, errors)
    _check_list(draft, errors)
    scheduled_at = _schedule(draft.scheduled_at, now, errors) if draft.scheduled_at is not None else None
    if errors:
        raise Invalid(*errors)
    require_size(_estimated_size(draft), limits)
    utf8_headers = _needs_utf8_headers(sender + agent + to + cc + reply_to)
    return Prepared(
        sender=sender[0],
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        recipients=recipients_of(to, cc, bcc, utf8_headers=utf8_headers),
        utf8_headers=utf8_headers,
        subject=draft.subject,
        text=None if draft.text is None else crlf(draft.text),
        html=None if draft.html is None else crlf(draft.html),
        headers=headers,
        attachments=attachments,
        tags=draft.tags,
        metadata=draft.metadata,
        scheduled_at=scheduled_at,
        expires_in=draft.expires_in,
        priority=draft.priority,
        relay=draft.relay,
        on_uncertain=draft.on_uncertain,
        delivery_receipt=draft.delivery_receipt,
        in_reply_to=draft.in_reply_to,
        agent=agent[0] if agent else None,
        return_path=draft.return_path,
        list_unsubscribe_post=draft.list_unsubscribe_post,
        store=draft.store,
    )


def check_handling(draft: Draft, *, now: int) -> Handling:
    """Return these members of a draft, checked; raises Invalid, which names all their errors."""
    errors: list[FieldError] = []
    check_labels(draft.tags, draft.metadata, errors)
    _check_handling(draft, errors)
    scheduled_at = _schedule(draft.scheduled_at, now, errors) if draft.scheduled_at is not None else None
    if errors:
        raise Invalid(*errors)
    return Handling(
        tags=draft.tags,
        metadata=draft.metadata,
        scheduled_at=scheduled_at,
        expires_in=draft.expires_in,
        priority=draft.priority,
        relay=draft.relay,
        on_uncertain=draft.on_uncertain,
        delivery_receipt=draft.delivery_receipt,
    )


_Mailboxes = tuple[Mailbox, ...]


def _addressees(
    draft: Draft, limits: Limits, errors: list[FieldError]
) -> tuple[_Mailboxes, _Mailboxes, _Mailboxes, _Mailboxes]:
    count = _count(draft.to) + _count(draft.cc) + _count(draft.bcc)
    if count == 0:
        errors.append(FieldError("to", "names nobody; give at least one recipient in to, cc or bcc"))
    if max(count, _count(draft.reply_to)) > limits.max_recipients:
        detail = f"has too many addresses, {limits.max_recipients} are allowed (MAILSVC_MAX_RECIPIENTS); send several messages"
        errors.append(FieldError("to" if count > limits.max_recipients else "reply_to", detail))
        return (), (), (), ()
    return (
        _mailboxes("to", draft.to, errors),
        _mailboxes("cc", draft.cc, errors),
        _mailboxes("bcc", draft.bcc, errors),
        _mailboxes("reply_to", draft.reply_to, errors),
    )


def _count(given: str | tuple[str, ...]) -> int:
    return 1 if isinstance(given, str) else len(given)


# Cached, because an application has few senders and many recipients.
_parse_sender = lru_cache(maxsize=256)(parse_mailbox)


def _mailboxes(
    field: str,
    given: str | tuple[str, ...],
    errors: list[FieldError],
    *,
    parse: Callable[[str], Mailbox] = parse_mailbox,
) -> _Mailboxes:
    if not given and not isinstance(given, str):
        return ()
    found = []
    for index, text in enumerate([given] if isinstance(given, str) else given):
        try:
            mailbox = parse(text)
        except ValueError as error:
            errors.append(FieldError(field if isinstance(given, str) else f"{field}.{index}", str(error)))
        else:
            found.append(mailbox)
    return tuple(found)


def _needs_utf8_headers(mailboxes: _Mailboxes) -> bool:
    """Whether a header needs UTF-8 because of such an address; then every delivery needs RFC 6531."""
    return any(mailbox.needs_smtputf8 for mailbox in mailboxes)


def _attachments(draft: Draft, limits: Limits, errors: list[FieldError]) -> tuple[Attachment, ...]:
    count = len(draft.attachments)
    if count == 0:
        return ()
    if count > limits.max_attachments:
        detail = (
            f"has {count} entries, {limits.max_attachments} are allowed (MAILSVC_MAX_ATTACHMENTS); pack them together"
        )
        errors.append(FieldError("attachments", detail))
        return ()
    return check_attachments(draft.attachments, errors)


def _check_subject(subject: str | None, errors: list[FieldError]) -> None:
    if subject is not None and (flaw := field_flaw(subject)):
        errors.append(FieldError("subject", flaw))


def _check_content(draft: Draft, errors: list[FieldError]) -> None:
    if draft.template is not None:
        errors.append(FieldError("template", "templates are not available yet; give text or html"))
    elif draft.text is None and draft.html is None:
        errors.append(FieldError("text", "is missing; give text, html or both"))
    for field, body in (("text", draft.text), ("html", draft.html)):
        if body is not None and (flaw := body_flaw(body)):
            errors.append(FieldError(field, flaw))


def _check_handling(draft: Draft, errors: list[FieldError]) -> None:
    if not 60 <= draft.expires_in <= MAX_AHEAD // clock.SECOND:
        errors.append(FieldError("expires_in", "must be from 60 seconds to a year (31622400)"))
    if draft.relay is not None and (flaw := label_flaw(draft.relay, 255)):
        errors.append(FieldError("relay", flaw))
    if draft.return_path is not None and (flaw := return_path_flaw(draft.return_path, verp=False)):
        errors.append(FieldError("return_path", flaw))
    if draft.in_reply_to is not None and not _REFERENCE.fullmatch(draft.in_reply_to):
        detail = "must be the id of a message or arrival, or a Message-ID with its angle brackets: <id@host>"
        errors.append(FieldError("in_reply_to", detail))


def _check_list(draft: Draft, errors: list[FieldError]) -> None:
    """Check for the https URI that one-click needs (RFC 8058 section 3.1); only the sender can provide it."""
    lower = {name.lower(): value for name, value in draft.headers.items()}
    given = str(lower.get("list-unsubscribe", "")).lower()
    if draft.list_unsubscribe_post and "<https:" not in given and given.strip() != "auto":
        detail = 'needs a header "List-Unsubscribe" with an https URI, such as <https://app.example/u/17>'
        errors.append(FieldError("list_unsubscribe_post", detail))


def _schedule(text: str, now: int, errors: list[FieldError]) -> int | None:
    try:
        instant = clock.parse_rfc3339(text)
    except ValueError as error:
        errors.append(FieldError("scheduled_at", f"is {error}"))
        return None
    if instant > now + MAX_AHEAD:
        errors.append(FieldError("scheduled_at", "is more than a year ahead; choose an earlier time"))
    return instant if instant > now else None


def _estimated_size(draft: Draft) -> int:
    """Return a lower bound of the wire size: a cheap way to reject a very large message before it is composed."""
    bodies = len(draft.text or "") + len(draft.html or "")
    return bodies + sum(len(a.content) * 78 // 57 for a in draft.attachments)
