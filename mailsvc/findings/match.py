"""Which message and delivery a mail is about: the strongest clue that holds decides, those that agree are its evidence.

| evidence         | clue                                                          | moves a delivery            |
| ---------------- | ------------------------------------------------------------- | --------------------------- |
| verp             | the signed address that the mail came to                      | yes                         |
| envid            | the signed envelope id in a report (RFC 3464 section 2.2.1)   | yes                         |
| message_id       | our Message-ID in what a report returns                       | while ``sent``; to one of   |
| relay_message_id | the Message-ID that the relay gave it                         | the message's recipients    |
| in_reply_to      | our Message-ID in this field (RFC 5322 section 3.6.4)         | as ``message_id``           |
| references       | our Message-ID in this field                                  | as ``message_id``           |
| reply_token      | the signed address of Reply-To                                | no                          |
| recipient        | the address that the report names, or the reply's author      | only confirms the others    |

A Message-ID can be known to others than the recipient, so that it never suppresses where something better was there.
"""

from collections.abc import Iterator, Sequence

import msgspec

from mailsvc.findings.known import Known, KnownDelivery, KnownMessage, Named, is_believed
from mailsvc.understand.clues import Clues

__all__ = ["Match", "match_answer", "match_report"]


class Match(msgspec.Struct, frozen=True):
    """What a mail, or a part of it, is about.

    Attributes:
        delivery: None if it could be that of any recipient.
        evidence: the clues that agree, the strongest first.
        is_signed: one of them can't be forged.
    """

    message: KnownMessage
    delivery: KnownDelivery | None
    evidence: tuple[str, ...]
    is_signed: bool = False


class _Candidate(msgspec.Struct, frozen=True):
    evidence: str
    named: Named
    is_signed: bool = False


def match_report(clues: Clues, known: Known, app_id: str, addresses: Sequence[str], *, now: int) -> Match | None:
    """Return the delivery that a report about a recipient is about.

    Args:
        addresses: of the recipient as reported, in the form of ``comparable``: the original one first; none if it is
            redacted.
    """
    if clues.is_forged:
        return None
    candidates = list(_candidates(clues, known, app_id, now))
    for candidate in candidates:
        delivery = candidate.named.delivery or _by_address(candidate, addresses)
        if delivery is None or not _is_named(candidate, delivery, addresses):
            continue
        return _match(candidates, candidate.named.message, delivery, addresses)
    return None


def match_answer(clues: Clues, known: Known, app_id: str, author: str | None, *, now: int) -> Match | None:
    """Return the message, and where possible the delivery, that a person or a machine answers.

    Args:
        author: the address in the form of ``comparable``.
    """
    candidates = [*_candidates(clues, known, app_id, now), *_reply_tokens(clues, known, app_id)]
    if not candidates:
        return None
    message = candidates[0].named.message
    own = next((c.named.delivery for c in candidates if c.named.delivery and c.named.message is message), None)
    by_token = message.only if any(c.evidence == "reply_token" for c in candidates) else None
    return _match(candidates, message, own or by_token or message.to(author), (author,) if author else ())


def _candidates(clues: Clues, known: Known, app_id: str, now: int) -> Iterator[_Candidate]:
    for evidence, ids in (("verp", clues.return_paths), ("envid", clues.envelope_ids)):
        for id_ in ids:
            named = known.by_id(app_id, id_)
            if named is not None and is_believed(named, now):
                yield _Candidate(evidence, named, is_signed=True)
    for evidence, message_ids in (
        ("message_id", clues.message_ids),
        ("in_reply_to", clues.in_reply_to),
        ("references", clues.references),
    ):
        for message_id in message_ids:
            for named in known.by_message_id(app_id, message_id):
                is_given = evidence == "message_id" and named.is_given
                yield _Candidate("relay_message_id" if is_given else evidence, named)


def _reply_tokens(clues: Clues, known: Known, app_id: str) -> Iterator[_Candidate]:
    for id_ in clues.reply_tokens:
        if named := known.by_id(app_id, id_):
            yield _Candidate("reply_token", named)


def _by_address(candidate: _Candidate, addresses: Sequence[str]) -> KnownDelivery | None:
    message = candidate.named.message
    found = next((one for address in addresses if (one := message.to(address))), None)
    if found is None and (candidate.is_signed or not addresses):
        return message.only
    return found


def _is_named(candidate: _Candidate, delivery: KnownDelivery, addresses: Sequence[str]) -> bool:
    """Whether the report names the delivery's recipient, which only a signature makes unnecessary."""
    return candidate.is_signed or not addresses or _is_one_of(delivery, addresses)


def _match(
    candidates: Sequence[_Candidate], message: KnownMessage, delivery: KnownDelivery | None, addresses: Sequence[str]
) -> Match:
    agreeing = [c for c in candidates if c.named.message is message and c.named.delivery in (None, delivery)]
    evidence = dict.fromkeys(c.evidence for c in agreeing)
    if delivery is not None and _is_one_of(delivery, addresses):
        evidence["recipient"] = None
    return Match(message, delivery, tuple(evidence), any(c.is_signed for c in agreeing))


def _is_one_of(delivery: KnownDelivery, addresses: Sequence[str]) -> bool:
    return delivery.recipient.lower() in addresses
