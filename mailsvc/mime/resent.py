"""The newest block of Resent fields: who sends the message on now, and to whom (RFC 5322 section 3.6.6)."""

from collections.abc import Sequence

from mailsvc.mime.rawfields import RawField

__all__ = ["newest_block"]

_FAMILY = "resent-"
_TRACE = frozenset({"received", "return-path"})  # each server, and each resending, puts its fields on top of these


def newest_block(fields: Sequence[RawField]) -> dict[str, str]:
    """The values of its fields by their names without ``resent-``; empty where nobody sent the message on.

    It is the first one. It ends where a field of it would be there twice, or a trace field stands between.
    """
    block: dict[str, str] = {}
    for field in fields:
        name = field.key.removeprefix(_FAMILY)
        if field.key.startswith(_FAMILY):
            if name in block:
                break
            block[name] = field.value
        elif block and field.key in _TRACE:
            break
    return block
