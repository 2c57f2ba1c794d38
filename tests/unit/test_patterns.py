"""Regular expressions that every supported Python reads alike."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailsvc

# CPython 3.11.0 to 3.11.4, Debian 12's among them, lets possessive quantifiers and atomic groups take what they must not.
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)  # in which all of them are characters
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_POSSESSIVE = re.compile(r"[*+?}]\+|\(\?>")

PROJECT = Path(mailsvc.__file__).parent.parent
SOURCES = [p for name in ("mailsvc", "migrations", "bench") for p in (PROJECT / name).rglob("*.py")]


def strings_in(source: str) -> Iterator[str]:
    """All but docstrings: a pattern is often put together of several, far from where it is compiled."""
    tree = ast.parse(source)
    docstrings = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in docstrings:
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")


def is_possessive(text: str) -> bool:
    return bool(_POSSESSIVE.search(_ESCAPED.sub("x", _CLASS.sub("x", text))))


def test_no_pattern_has_possessive_quantifiers() -> None:
    """They came with Python 3.11, and worked from 3.11.5 on."""
    found = [
        f"{path}: {text[:100]!r}" for path in SOURCES for text in strings_in(path.read_text()) if is_possessive(text)
    ]

    assert found == []
    assert len(SOURCES) > 100


@pytest.mark.parametrize(
    "source",
    [
        'A = r"[a-z]++"', 'A = f"{B}(?:x{B})*+"', 're.sub(rb"a?+", b"", x)', 'A = r"a{1,2}+"', 'A = "(?>a)"',
        'A = r"[+]++"', 'A = r"[^]]*+"', 'A = ("a" r"\\+++")',
    ],
)  # fmt: skip
def test_a_possessive_quantifier_is_found_wherever_it_is_written(source: str) -> None:
    """In a part of a pattern, in bytes, in what is not compiled by name."""
    assert any(map(is_possessive, strings_in(source)))


@pytest.mark.parametrize("text", ["[+*]+", r"\++", r"[\]+]+", "a+ +", "[]*+]+", r"\*\+"])
def test_literal_plus_signs_are_not_quantifiers(text: str) -> None:
    """In a class, or escaped."""
    assert not is_possessive(text)
