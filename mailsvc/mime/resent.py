"""The newest block of Resent fields: who sends the message on now, and to whom (RFC 5322 section 3.6.6)."""

from collections.abc import Sequence

from mailsvc.mime.rawfields import RawField

__all__ = ["newest_block"]

_FAMILY = "resent-"
_TRACE = frozenset({"received", "return-path"})  # each server, and each resending, puts its fields on top of these
_ENVELOPE = frozenset({"from", "sender", "to", "cc", "bcc"})


def newest_block(fields: Sequence[RawField]) -> dict[str, str]:
    """The values of its fields by their names without ``resent-``; empty where nobody sent the message on.

    It is the first one. It ends where a trace field stands between, or a field of it would be there twice.

    Raises:
        ValueError: where it ends can't be told, and with it whom it names.
    """
    group = _first_group(fields)
    names = [name for name, _ in group]
    end = _length_without_repetition(names)
    older = names[end : end + _length_without_repetition(names[end:])]
    # The two blocks part after the last field that both have; what follows it may belong to either.
    known = max((names.index(name) + 1 for name in older if name in names[:end]), default=end)
    for name in names[known:end]:
        if name in _ENVELOPE:
            raise ValueError(f"Resent-{name.title()}: may belong to either of two blocks of Resent fields")
    return dict(group[:end])


def _first_group(fields: Sequence[RawField]) -> list[tuple[str, str]]:
    """The Resent fields above the first trace field below them."""
    group: list[tuple[str, str]] = []
    for field in fields:
        if field.key.startswith(_FAMILY):
            group.append((field.key.removeprefix(_FAMILY), field.value))
        elif group and field.key in _TRACE:
            break
    return group


def _length_without_repetition(names: Sequence[str]) -> int:
    return next((n for n, name in enumerate(names) if name in names[:n]), len(names))
