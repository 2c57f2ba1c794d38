"""Converts Markdown to HTML for the page /docs. Raw HTML in a text is escaped."""

import itertools
import re

from markupsafe import Markup

__all__ = ["Markdown"]

_NO_SLUG = re.compile(r"[^a-z0-9]+")


class Markdown:
    """CommonMark with tables."""

    def __init__(self) -> None:
        from markdown_it import MarkdownIt  # noqa: PLC0415 - loaded only if the page is requested

        self._parser = MarkdownIt("commonmark", {"html": False}).enable("table")

    def line(self, text: str) -> Markup:
        """Return one paragraph's content."""
        return Markup(self._parser.renderInline(text))  # noqa: S704 - the parser escapes

    def page(self, text: str) -> tuple[Markup, list[tuple[str, str]]]:
        """Return a whole text, and the anchor and title of each of its sections (headings of the second level)."""
        tokens, sections = self._parser.parse(text), []
        for heading, content in itertools.pairwise(tokens):
            if heading.type == "heading_open":
                heading.attrSet("id", anchor := _NO_SLUG.sub("-", content.content.lower()).strip("-"))
                if heading.tag == "h2":
                    sections.append((anchor, content.content))
        return Markup(self._parser.renderer.render(tokens, self._parser.options, {})), sections  # noqa: S704 - as above
