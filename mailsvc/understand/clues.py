"""What of an arrived mail names the message or delivery that it is about: signed tokens, envelope ids, Message-IDs.

The mail's envelope recipient is what its delivering server noted in the outer header; what a returned message says in
its own header may be written by anybody. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from mailsvc.mime.arrived import ArrivedMail, addresses_in
from mailsvc.mime.tokens import (
    Purpose,
    looks_signed,
    read_envelope_id,
    read_plus_address,
    read_probe_message_id,
    read_probe_subject,
)
from mailsvc.understand.report import Report

__all__ = ["Clues", "clues_of"]

# The fields in which servers note the envelope recipient, the most specific first; then those that the author wrote.
_ENVELOPE_FIELDS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "x-forwarded-to")
_RANKS = {name: rank for rank, name in enumerate(_ENVELOPE_FIELDS, 1)}
_MOST_ADDRESSES = 200
_MOST_IDENTIFIERS = 20


class Clues(msgspec.Struct, frozen=True, kw_only=True):
    """Ids have their prefixes, Message-IDs their angle brackets; the best clue of each kind comes first."""

    return_paths: tuple[str, ...] = ()  # deliveries
    envelope_ids: tuple[str, ...] = ()  # deliveries or messages
    message_ids: tuple[str, ...] = ()  # of what a report returns
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    reply_tokens: tuple[str, ...] = ()  # messages
    unsubscribes: tuple[str, ...] = ()  # deliveries
    probes: tuple[str, ...] = ()  # mails that we sent to ourselves
    is_forged: bool = False  # a token is there that none of the keys signed

    @property
    def tried(self) -> tuple[str, ...]:
        """The kinds of clues that are there, by their names in ``evidence``."""
        kinds = (
            ("verp", bool(self.return_paths) or self.is_forged),
            ("envid", bool(self.envelope_ids)),
            ("message_id", bool(self.message_ids)),
            ("in_reply_to", bool(self.in_reply_to)),
            ("references", bool(self.references)),
            ("reply_token", bool(self.reply_tokens)),
        )
        return tuple(name for name, is_there in kinds if is_there)


def clues_of(mail: ArrivedMail, report: Report | None, keys: Sequence[bytes]) -> Clues:
    """Return the clues of a mail; a token counts if one of the keys signed it."""
    addresses = list(islice(dict.fromkeys(_envelope_recipients(mail)), _MOST_ADDRESSES))
    signed = {purpose: _ids(addresses, purpose, keys) for purpose in Purpose}
    senders = report.feedback_senders if report else ()
    reported = _ids(senders, Purpose.RETURN_PATH, keys)
    envelope_id = read_envelope_id(report.envelope_id, keys) if report and report.envelope_id else None
    return Clues(
        return_paths=_prefixed("dlv", [*signed[Purpose.RETURN_PATH], *reported]),
        envelope_ids=(envelope_id,) if envelope_id else (),
        message_ids=report.message_ids[:_MOST_IDENTIFIERS] if report else (),
        in_reply_to=mail.in_reply_to[:_MOST_IDENTIFIERS],
        references=_nearest_first(mail.references),
        reply_tokens=_prefixed("msg", signed[Purpose.REPLY]),
        unsubscribes=_prefixed("dlv", signed[Purpose.UNSUBSCRIBE]),
        probes=_prefixed("prb", [*_probes(mail, report, keys), *signed[Purpose.PROBE]]),
        is_forged=not any(signed.values()) and any(map(looks_signed, addresses)),
    )


def _nearest_first(references: Sequence[str]) -> tuple[str, ...]:
    """The nearest ones, and the one that began the conversation: perhaps the only one of ours."""
    found = list(dict.fromkeys(reversed(references)))
    return tuple(found if len(found) <= _MOST_IDENTIFIERS else found[: _MOST_IDENTIFIERS - 1] + found[-1:])


def _probes(mail: ArrivedMail, report: Report | None, keys: Sequence[bytes]) -> list[str]:
    returned = report.message_ids[:_MOST_IDENTIFIERS] if report else ()
    own = (mail.message_id or "", *mail.in_reply_to[:_MOST_IDENTIFIERS])
    by_id = [id_ for named in (*own, *returned) if (id_ := read_probe_message_id(named, keys))]
    by_subject = read_probe_subject(mail.subject or "", keys)
    return [*by_id, *([by_subject] if by_subject else [])]


def _envelope_recipients(mail: ArrivedMail) -> Iterator[str]:
    # Only addresses with a subaddress can be signed.
    found = [(rank, value) for name, value in mail.headers if "+" in value and (rank := _RANKS.get(name.lower()))]
    noted = [value for _, value in sorted(found, key=lambda pair: pair[0])]
    # Here the authors' names are still quoted, so that an address in one of them does not count.
    for value in (*noted, *mail.to, *mail.cc):
        if "+" in value:
            yield from addresses_in(value)


def _ids(addresses: Iterable[str], purpose: Purpose, keys: Sequence[bytes]) -> list[str]:
    return [id_ for address in addresses if (id_ := read_plus_address(address, purpose, keys))]


def _prefixed(prefix: str, ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{prefix}_{id_}" for id_ in ids))
