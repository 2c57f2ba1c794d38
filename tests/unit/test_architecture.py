"""docs/architecture.md says where each behaviour is decided, and is right about it."""

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([^|]+) \| `([a-z_/]+\.py)` \| `([A-Za-z_.]+)` \|$", re.MULTILINE)
MAP = ROW.findall((TOP / "docs" / "architecture.md").read_text("utf-8"))


def names_in(path: Path) -> set[str]:
    """The functions and classes of a module, and the methods of its classes."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{f.name}" for f in node.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


def test_the_map_names_at_least_thirty_behaviours() -> None:
    assert len(MAP) >= 30


@pytest.mark.parametrize(("behaviour", "file", "name"), MAP)
def test_what_the_map_names_exists(behaviour: str, file: str, name: str) -> None:
    """A renamed file or function is renamed there, too."""
    assert name in names_in(TOP / "mailsvc" / file), behaviour


@pytest.mark.parametrize("page", sorted((TOP / "docs").glob("*.md")), ids=lambda page: page.name)
def test_the_files_that_the_documentation_names_exist(page: Path) -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_]+\.py)`", page.read_text("utf-8")))

    assert {file for file in named if not (TOP / "mailsvc" / file).exists() and not (TOP / file).exists()} == set()
