"""The documentation that the service serves about itself."""

import re
import shlex
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from mailsvc.api.markdown import Markdown
from mailsvc.domain.lifecycle import Status
from tests.support.api import ApiHarness, open_harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ApiHarness]:
    harness = open_harness(tmp_path, max_recipients=77)
    yield harness
    harness.close()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1][0] if self.tags else "", data))


def test_the_document_is_served_without_a_key(harness: ApiHarness) -> None:
    """Anybody may read how the API works; the limits are this service's own."""
    answer = harness.flask.test_client().get("/openapi.yaml")
    draft = yaml.safe_load(answer.data)["components"]["schemas"]["Draft"]

    assert (200, 77) == (answer.status_code, draft["properties"]["to"]["maxItems"])


def test_the_page_shows_every_operation_and_schema(harness: ApiHarness) -> None:
    """Each has its place to link to."""
    client = harness.flask.test_client()
    document = yaml.safe_load(client.get("/openapi.yaml").data)
    page = client.get("/docs").text

    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page


def test_the_page_needs_no_script_and_loads_nothing(harness: ApiHarness) -> None:
    """It works offline and where scripts are forbidden; the policy forbids everything else."""
    answer = harness.flask.test_client().get("/docs")
    page = _Page()
    page.feed(answer.text)

    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_every_link_of_the_page_has_a_target(harness: ApiHarness) -> None:
    """A link within the page has its target there."""
    page = _Page()
    page.feed(harness.flask.test_client().get("/docs").text)
    targets = {f"#{a['id']}" for _, a in page.tags if "id" in a}

    links = {a["href"] for tag, a in page.tags if tag == "a"}

    assert links - targets == {"/openapi.yaml", "https://www.standardwebhooks.com/"}


def test_every_id_of_the_page_is_its_own(harness: ApiHarness) -> None:
    """A link leads to one place."""
    page = _Page()
    page.feed(harness.flask.test_client().get("/docs").text)
    ids = [a["id"] for _, a in page.tags if "id" in a]

    assert len(ids) == len(set(ids))


def test_the_page_shows_no_raw_markdown(harness: ApiHarness) -> None:
    """Code and links in texts are rendered."""
    page = _Page()
    page.feed(harness.flask.test_client().get("/docs").text)

    assert not [
        text for tag, text in page.texts if tag not in ("style", "pre", "code") and re.search(r"`|\]\(|\*\*", text)
    ]


def test_html_in_a_text_is_shown_and_not_obeyed() -> None:
    """Whatever a description says, it brings no element of its own onto the page."""
    assert "&lt;b&gt;a <code>&lt;i&gt;</code>" == Markdown().line("<b>a `<i>`")


def test_the_guide_says_what_each_status_means(harness: ApiHarness) -> None:
    """A status that is added later is explained there, too."""
    page = harness.flask.test_client().get("/docs").text
    statuses = page[page.index('<h2 id="statuses">') : page.index('<h2 id="conventions">')]

    assert {status.value for status in Status} <= set(re.findall(r"<td><code>(\w+)</code>", statuses))


def test_each_operation_has_a_request_to_copy(harness: ApiHarness) -> None:
    """Its words are those of a shell; they name the method and the path, and a key where one is needed."""
    client = harness.flask.test_client()
    page = _Page()
    page.feed(client.get("/docs").text)
    requests = {
        tuple(shlex.split(text.replace("\\\n", " "))[1:4])
        for tag, text in page.texts
        if tag == "pre" and text.startswith("curl")
    }
    paths = yaml.safe_load(client.get("/openapi.yaml").data)["paths"]

    assert sum(len(methods) for methods in paths.values()) == len(requests)
    assert ("-X", "POST", "$MAILSVC_URL/v1/messages") in requests
    assert ("$MAILSVC_URL/v1/keys", "-H", "Authorization: Bearer $MAILSVC_API_KEY") in requests
