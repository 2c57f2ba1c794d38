"""The labels of a message, by which an application finds it: tags and metadata."""

from collections.abc import Mapping, Sequence

from mailsvc.domain.errors import FieldError
from mailsvc.domain.fieldtext import body_flaw, field_flaw, printable

__all__ = ["MAX_KEY", "MAX_PAIRS", "MAX_TAG", "MAX_TAGS", "MAX_VALUE", "check_labels", "label_flaw"]

MAX_TAGS, MAX_TAG = 10, 100
MAX_PAIRS, MAX_KEY, MAX_VALUE = 50, 40, 500


def check_labels(tags: Sequence[str], metadata: Mapping[str, str], errors: list[FieldError]) -> None:
    """Add every error in them to ``errors``."""
    if len(tags) > MAX_TAGS:
        errors.append(FieldError("tags", f"has {len(tags)} entries, at most {MAX_TAGS} are allowed"))
    for index, tag in enumerate(tags[:MAX_TAGS]):
        if flaw := label_flaw(tag, MAX_TAG):
            errors.append(FieldError(f"tags.{index}", flaw))
    if len(metadata) > MAX_PAIRS:
        errors.append(FieldError("metadata", f"has {len(metadata)} pairs, at most {MAX_PAIRS} are allowed"))
        return
    for key, value in metadata.items():
        where = f"metadata.{printable(key[:MAX_KEY])}"
        if flaw := label_flaw(key, MAX_KEY):
            errors.append(FieldError(where, f"the key {flaw}"))
        if flaw := body_flaw(value) or _length_flaw(value, MAX_VALUE):
            errors.append(FieldError(where, flaw))


def label_flaw(label: str, most: int) -> str | None:
    """Why this can't be a label, as the second half of a sentence, or None."""
    if not label:
        return "is empty; leave it out"
    return field_flaw(label) or _length_flaw(label, most)


def _length_flaw(text: str, most: int) -> str | None:
    return f"is longer than {most} characters; shorten it" if len(text) > most else None
