"""Every Python block of the SDK's documentation runs, those of a page one after another."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import override_settings

from mailsvc_sdk import Mailsvc
from mailsvc_sdk.testing import FakeMail
from tests.support.pages import dead_links, python_blocks, run_page
from tests.support.service import Service

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs" / "sdk").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path) -> None:
    assert python_blocks(page)
    with FakeMail(), override_settings(MAILSVC={}):
        names = run_page(page)
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

    assert python_blocks(page)
    run_page(page)


def test_links_between_the_pages_lead_somewhere() -> None:
    assert {page.name: dead_links(page) for page in [*PAGES, ROOT / "docs" / "sdk.md"] if dead_links(page)} == {}
