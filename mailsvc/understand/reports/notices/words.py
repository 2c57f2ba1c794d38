"""Takes what a server or a program said out of the sentences of a notice."""

import re

from mailsvc.understand.reports.diagnosis import has_code
from mailsvc.understand.reports.notices.shape import ADDRESS

__all__ = ["ALIAS", "spoken"]

# Behind these words stands what the receiving server said.
_SAID = re.compile(
    r"received >>>|(?:said|replied|returned was|remote server was|server (?:response|message|returned)|responded(?: as follows| with failure)?"
    r"|gave this error|error message below|failed with|reason|diagnostic code|technical details[^\n:]{0,30}"
    r"|additional information follows)\s?:|server message\n",
    re.IGNORECASE,
)
# Before these it ends.
_AFTER = re.compile(
    r"no action is required|message details:|the attachment contains|please (?:verify|check|contact|direct)|this has been a permanent"
    r"|[=*_-]{5,}|giving up on \d|learn more here|no further delivery|if you (?:feel|need|continue|have)|for more information"
    r"|original message headers|рекомендуем вам",
    re.IGNORECASE,
)
# The address that the sender named, where a server delivered to another one for it.
ALIAS = re.compile(r"(?:expanded|generated) from:?\s{1,12}<?" + ADDRESS, re.IGNORECASE)
_SEPARATORS = " \t\n>:.,;\"'([-=*_"


def spoken(words: str) -> str:
    """Return the words of the server, as far as they can be told from the notice's own."""
    said = _SAID.search(words)
    words = (words[said.end() :] if said else words).lstrip(_SEPARATORS)
    end = _AFTER.search(words)
    head = words[: end.start()] if end else words
    return head if has_code(head) or not has_code(words) else words
