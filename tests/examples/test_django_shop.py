"""examples/django-shop, as its README says."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.example import Example
from tests.support.postgres import free_port
from tests.support.shop_page import ShopPage
from tests.support.waiting import wait_until


@pytest.fixture
def port() -> int:
    """Of the shop."""
    return free_port()


@pytest.fixture
def example(take: Callable[..., Example], port: int) -> Example:
    bind = f"127.0.0.1:{free_port()}"
    return take("django-shop", port=port, MAILSVC_BIND=bind, MAILSVC_URL=f"http://{bind}")


@pytest.fixture
def page(example: Example, port: int) -> Iterator[ShopPage]:
    """The page of the shop that runs beside the service."""
    example.run("python manage.py migrate")
    example.start("python manage.py mailsvc serve", url=f"{example.environment['MAILSVC_URL']}/readyz")
    example.start("python manage.py runserver", str(port), url=f"http://127.0.0.1:{port}")
    with ShopPage(f"http://127.0.0.1:{port}") as found:
        yield found


def subjects(example: Example) -> set[str]:
    """Of the mails that the service has."""
    key = {"Authorization": f"Bearer {example.environment['MAILSVC_API_KEY']}"}
    answer = httpx.get(f"{example.environment['MAILSVC_URL']}/v1/messages", headers=key).raise_for_status()
    return {message["subject"] for message in answer.json()["data"]}


def test_webhooks_tell_each_order_what_became_of_its_receipt(example: Example, page: ShopPage) -> None:
    page.order("ok@sandbox.test")
    page.order("bounce@sandbox.test")

    wait_until(lambda: page.orders() == {"ok@sandbox.test": "sent", "bounce@sandbox.test": "bounced: mailbox_unknown"})
    assert subjects(example) == {"Your order 1", "Order 1", "Your order 2", "Order 2"}


def test_an_order_for_a_wrong_address_is_not_made(example: Example, page: ShopPage) -> None:
    refused = page.order("nobody")

    assert refused.status_code == 422
    assert "to: has no @" in refused.text
    assert page.orders() == {}
    assert subjects(example) == set()
