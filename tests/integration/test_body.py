"""Bodies of requests: in memory while there is room for them, else in files; either way they come out as they came."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from mailsvc.api import body
from mailsvc.api.body import Body, Uptake

PART = b"x" * 60_000


async def taken_up(parts: list[bytes], uptake: Uptake) -> Body:
    """A body that came in these parts."""
    left = list(parts)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    found = Body(sum(map(len, parts)), receive, uptake)
    await found.fetch()
    return found


@pytest.mark.parametrize(("parts", "others", "is_in_file"), [(10, 0, False), (20, 0, True), (10, 10**9, True)])
async def test_a_body_is_in_memory_while_there_is_room(
    tmp_path: Path, parts: int, others: int, is_in_file: bool
) -> None:
    """Up to a megabyte each, and 64 of all together."""
    uptake = Uptake(10**9, tmp_path, held=others)
    found = await taken_up([PART] * parts, uptake)

    assert (found._file is not None) == is_in_file
    assert found.read() == PART * parts


@pytest.mark.parametrize("parts", [10, 20])
async def test_a_body_that_is_done_with_takes_no_room(tmp_path: Path, parts: int) -> None:
    uptake = Uptake(10**9, tmp_path)
    found = await taken_up([PART] * parts, uptake)
    found.drop()

    assert uptake.held == 0


async def test_a_body_that_breaks_off_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "HELD_IN_MEMORY", 10**9)
    uptake = Uptake(300_000, tmp_path)
    found = await taken_up([PART] * 10, uptake)
    found.drop()

    assert uptake.held == 0
