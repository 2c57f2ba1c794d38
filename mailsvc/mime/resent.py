"""The newest block of Resent fields: who resends the message, and to whom (RFC 5322 section 3.6.6)."""

from collections.abc import Sequence

from mailsvc.mime.rawfields import RawField

__all__ = ["newest_block"]

_FAMILY = "resent-"
_TRACE = frozenset({"received", "return-path"})  # each server, and each resending, puts its fields above these
_ENVELOPE = frozenset({"from", "sender", "to", "cc", "bcc"})


def newest_block(fields: Sequence[RawField]) -> dict[str, str]:
    """Return the block's values by their field names without ``resent-``; empty if the message was not resent.

    It is the first block. It ends before a trace field, or before a field that it has already.

    Raises:
        ValueError: the end of the block, and thus its envelope, is ambiguous.
    """
    group = _first_group(fields)
    names = [name for name, _ in group]
    end = _length_without_repetition(names)
    older = names[end : end + _length_without_repetition(names[end:])]
    # The blocks are separated after the last field that both have; the fields after it may belong to either.
    known = max((names.index(name) + 1 for name in older if name in names[:end]), default=end)
    for name in names[known:end]:
        if name in _ENVELOPE:
            raise ValueError(f"Resent-{name.title()}: may belong to either of two blocks of Resent fields")
    return dict(group[:end])


def _first_group(fields: Sequence[RawField]) -> list[tuple[str, str]]:
    """Return the Resent fields above the first trace field below them."""
    group: list[tuple[str, str]] = []
    for field in fields:
        if field.key.startswith(_FAMILY):
            group.append((field.key.removeprefix(_FAMILY), field.value))
        elif group and field.key in _TRACE:
            break
    return group


def _length_without_repetition(names: Sequence[str]) -> int:
    return next((n for n, name in enumerate(names) if name in names[:n]), len(names))
