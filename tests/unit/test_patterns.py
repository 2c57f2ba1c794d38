"""Regular expressions that every supported Python reads alike."""

import re
from pathlib import Path

import mailsvc

# CPython 3.11.0 to 3.11.4, Debian 12's among them, lets possessive quantifiers and atomic groups take what they must not.


def test_no_pattern_has_possessive_quantifiers() -> None:
    """They came with Python 3.11, and worked from 3.11.5 on."""
    found = []
    for path in Path(mailsvc.__file__).parent.rglob("*.py"):
        for pattern in re.findall(r"re\.compile\((.*?)\)\n", path.read_text(), re.DOTALL):
            plain = re.sub(r"\[(?:\\.|[^\]\\])*\]", "[]", pattern)  # in a class they are characters
            found += [f"{path.name}: {pattern}" for _ in [1] if re.search(r"(?<!\\)[*+?}]\+|\(\?>", plain)]

    assert found == []
