"""The documentation that the service serves about itself."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.support.api import House, open_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = open_house(tmp_path, max_recipients=77)
    yield house
    house.close()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_document_is_served_without_a_key(house: House) -> None:
    """Anybody may read how the API works; the limits are this service's own."""
    answer = house.flask.test_client().get("/openapi.yaml")
    draft = yaml.safe_load(answer.data)["components"]["schemas"]["Draft"]

    assert (200, 77) == (answer.status_code, draft["properties"]["to"]["maxItems"])


def test_the_page_shows_every_operation_and_schema(house: House) -> None:
    """Each has its place to link to."""
    client = house.flask.test_client()
    document = yaml.safe_load(client.get("/openapi.yaml").data)
    page = client.get("/docs").text

    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page


def test_the_page_needs_no_script_and_loads_nothing(house: House) -> None:
    """It works offline and where scripts are forbidden; the policy forbids everything else."""
    answer = house.flask.test_client().get("/docs")
    page = _Page()
    page.feed(answer.text)

    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_every_link_of_the_page_leads_somewhere(house: House) -> None:
    """A link within the page has its target there."""
    page = _Page()
    page.feed(house.flask.test_client().get("/docs").text)
    targets = {f"#{a['id']}" for _, a in page.tags if "id" in a}

    links = {a["href"] for tag, a in page.tags if tag == "a"}

    assert links - targets == {"/openapi.yaml"}
