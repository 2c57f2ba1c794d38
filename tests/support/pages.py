"""Pages of the documentation: their code runs, and their links lead somewhere."""

import re
from pathlib import Path
from typing import Any

__all__ = ["dead_links", "python_blocks", "run_page"]


def python_blocks(page: Path) -> list[tuple[int, str]]:
    """The line and the code of each block."""
    text = page.read_text()
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S)
    return [(text[: match.start()].count("\n") + 1, match[1]) for match in found]


def run_page(page: Path, **names: Any) -> dict[str, Any]:
    """Run the blocks one after another. Returns the names that they have, beginning with those given."""
    names["__name__"] = "__docs__"
    for line, code in python_blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), names)
    return names


def dead_links(page: Path) -> list[str]:
    """The links to files that don't exist."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    return [link for link in links if not (page.parent / link).resolve().exists()]
