"""Examples in fresh directories, and what they need."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.example import Example


@pytest.fixture
def take(tmp_path: Path) -> Iterator[Callable[..., Example]]:
    """Copies examples; what they start is stopped at the end."""
    taken: list[Example] = []

    def copy(name: str, **settings: str) -> Example:
        taken.append(Example(name, tmp_path, **settings))
        return taken[-1]

    yield copy
    for example in taken:
        example.stop()
