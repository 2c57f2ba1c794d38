"""How the lists of words are written down."""

__all__ = ["listed"]


def listed(words: str) -> tuple[str, ...]:
    """Return the words that ``|`` and line breaks separate, without repetitions."""
    parts = (part.strip() for line in words.splitlines() for part in line.split("|"))
    return tuple(dict.fromkeys(part for part in parts if part))
