"""Chooses which parts of a mail are its text and its HTML, and which are attachments (RFC 2046, 2183, 2387)."""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from mailsvc.mime.arrived.entities import Entity

__all__ = ["Passage", "attachments_of", "leaves_of", "passages_of"]

_TEXT, _HTML = "text/plain", "text/html"


class Passage(NamedTuple):
    """A piece of the body: its parts as plain text, and those as HTML that say the same; one of them may be missing."""

    plain: tuple[Entity, ...]
    html: tuple[Entity, ...]


def leaves_of(entity: Entity) -> Iterator[Entity]:
    """Yield the parts that have no parts of their own, in their order."""
    if entity.parts is None:
        yield entity
    else:
        for part in entity.parts:
            yield from leaves_of(part)


def passages_of(root: Entity) -> list[Passage]:
    """Return the body of a mail, piece by piece."""
    return list(_passages(root, next(leaves_of(root))))


def attachments_of(root: Entity) -> list[Entity]:
    """Return the leaves that are not part of the body."""
    shown = {part for passage in passages_of(root) for part in (*passage.plain, *passage.html)}
    return [leaf for leaf in leaves_of(root) if leaf not in shown]


def _passages(entity: Entity, first: Entity) -> Iterator[Passage]:
    if entity.parts is None:
        if _is_text(entity, first):
            yield Passage((entity,), ()) if entity.media_type == _TEXT else Passage((), (entity,))
        return
    passages = [p for part in _shown_parts(entity, entity.parts) for p in _passages(part, first)]
    if entity.media_type == "multipart/alternative" and passages:
        plain, html = zip(*passages, strict=True)
        yield Passage(tuple(chain.from_iterable(plain)), tuple(chain.from_iterable(html)))
    else:
        yield from passages


def _is_text(leaf: Entity, first: Entity) -> bool:
    if leaf.media_type not in (_TEXT, _HTML) or leaf.disposition == "attachment":
        return False
    # A named text is a file, but some programs name the body, too.
    return not leaf.filename or leaf is first


def _shown_parts(multipart: Entity, parts: list[Entity]) -> list[Entity]:
    match multipart.media_type:
        case "multipart/encrypted":
            return []
        case "multipart/signed":  # content and signature, RFC 1847
            return parts[:1]
        case "multipart/related":  # what the root refers to, RFC 2387
            start = multipart.parameters.get("start", "").strip("<> ")
            return [part for part in parts if start and part.content_id == start][:1] or parts[:1]
        case _:
            return parts
