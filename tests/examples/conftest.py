"""Examples in fresh directories, and what they need."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.example import Example


@pytest.fixture
def take(tmp_path: Path) -> Iterator[Callable[..., Example]]:
    """Copies examples; what they start is stopped at the end."""
    taken: list[Example] = []

    def copy(name: str, **options: Any) -> Example:
        taken.append(Example(name, tmp_path, **options))
        return taken[-1]

    yield copy
    for example in taken:
        example.stop()
