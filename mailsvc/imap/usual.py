"""Answers to FETCH in the form that servers usually give, read without IMAPClient's parser, which takes as long as all the rest."""

import re
from typing import Any

__all__ = ["usual_answer"]

_NUMBER = rb"([1-9][0-9]{0,9})"
_BODY = re.compile(rb"%b \(UID %b BODY\[\]<0> \{[0-9]+\}" % (_NUMBER, _NUMBER))
_LISTED = re.compile(
    rb"%b \(UID %b RFC822\.SIZE ([0-9]{1,10}) FLAGS \(((?:[\\$A-Za-z][A-Za-z0-9_.$-]*(?: (?!\)))?)*)\)\)"
    % (_NUMBER, _NUMBER)
)


def usual_answer(answer: list[Any]) -> dict[bytes, Any] | None:
    """Return what an answer says, as IMAPClient would; None for any other form, which is left to it."""
    if len(answer) == 2 and answer[1] == b")":
        head, content = answer[0]
        if found := _BODY.fullmatch(head):
            return {b"SEQ": int(found[1]), b"UID": int(found[2]), b"BODY[]<0>": content}
    elif len(answer) == 1 and isinstance(answer[0], bytes) and (found := _LISTED.fullmatch(answer[0])):
        return {
            b"SEQ": int(found[1]),
            b"UID": int(found[2]),
            b"RFC822.SIZE": int(found[3]),
            b"FLAGS": tuple(found[4].split()),
        }
    return None
