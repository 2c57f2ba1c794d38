"""examples/flask-shop, as its README says."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.example import Example
from tests.support.postgres import free_port
from tests.support.shop_page import ShopPage
from tests.support.waiting import wait_until


@pytest.fixture
def example(take: Callable[..., Example]) -> Example:
    return take("flask-shop", FLASK_RUN_PORT=str(free_port()))


@pytest.fixture
def page(example: Example) -> Iterator[ShopPage]:
    """The page of the shop that runs."""
    url = f"http://127.0.0.1:{example.environment['FLASK_RUN_PORT']}"
    example.start("flask --app shop run", url=url)
    with ShopPage(url) as found:
        yield found


def test_each_order_shows_what_became_of_its_receipt(example: Example, page: ShopPage) -> None:
    page.order("ok@sandbox.test")
    page.order("bounce@sandbox.test")

    wait_until(lambda: page.orders() == {"ok@sandbox.test": "sent", "bounce@sandbox.test": "bounced: mailbox_unknown"})
    assert "queue is empty" in example.run("flask --app shop mail queue")


def test_an_order_for_a_wrong_address_is_not_made(example: Example, page: ShopPage) -> None:
    refused = page.order("nobody")

    assert refused.status_code == 422
    assert "to: has no @" in refused.text
    assert page.orders() == {}
