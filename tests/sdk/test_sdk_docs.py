"""Every Python block of the SDK's documentation runs, those of a page one after another."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from mailsvc_sdk import Mailsvc
from mailsvc_sdk.testing import FakeMail
from tests.support.service import Service

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs" / "sdk").glob("*.md"))


def blocks(page: Path) -> list[tuple[int, str]]:
    """The line and the code of each block."""
    text = page.read_text()
    return [
        (text[: m.start()].count("\n") + 1, m[1]) for m in re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S)
    ]


def run(page: Path) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__docs__"}
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), names)
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path) -> None:
    assert blocks(page)
    with FakeMail(), override_settings(MAILSVC={}):
        names = run(page)
    for name, test in names.items():
        if name.startswith("test_"):
            run_with_fake(test)


def run_with_fake(test: Callable[[FakeMail], None]) -> None:
    with FakeMail() as fake:
        test(fake)


@pytest.mark.parametrize(
    "page", [ROOT / "docs" / "sdk.md", ROOT / "README.md", ROOT / "sdk" / "README.md"], ids=lambda page: page.name
)
def test_the_tutorial_runs_against_a_service(
    page: Path, service: Service, mail: Mailsvc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILSVC_URL", service.url)
    monkeypatch.setenv("MAILSVC_API_KEY", service.api_key)

    assert blocks(page)
    run(page)


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "docs" / "sdk.md"]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).resolve().exists(), (page.name, link)
