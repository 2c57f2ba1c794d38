"""The Message-IDs by which relays replace ours, as their replies to the final dot name them."""

import re

__all__ = ["given_identifiers", "identifiers_of"]

# In angle brackets (Outlook, Brevo, Mailjet, …), or alone: Amazon SES's, and the UUID of Postmark and others. The
# Message-ID that recipients see then has this local part.
_IN_BRACKETS = re.compile(r"<([!-;=?-~]{1,250}@[!-;=?-~]{1,250})>")
_HEX = "[0-9a-f]"
_ALONE = re.compile(
    rf"(?<![\w-])({_HEX}{{16}}-{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}-{_HEX}{{6}}"
    rf"|{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}})(?![\w-])",
    re.IGNORECASE,
)
_FEWEST_HYPHENS = 4  # of what _ALONE finds
_MOST_TEXT = 1000  # characters


def given_identifiers(text: str, own: str) -> tuple[str, ...]:
    """Return the identifiers in a reply that accepts a message, except its own Message-ID."""
    said = text[:_MOST_TEXT]
    if "<" not in said and said.count("-") < _FEWEST_HYPHENS:
        return ()  # every sent mail passes here, and most replies name nothing
    found = [*_IN_BRACKETS.findall(said), *(match.lower() for match in _ALONE.findall(said))]
    return tuple(dict.fromkeys(one for one in found if one != own.strip("<>")))


def identifiers_of(message_id: str) -> tuple[str, ...]:
    """Return the forms under which a Message-ID may have been recorded: whole, and its local part if relays name only that."""
    whole = message_id.strip("<> ")
    local = whole.partition("@")[0].lower()
    return (whole, local) if _ALONE.fullmatch(local) else (whole,)
