"""examples/fastapi-shop, as its README says."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from tests.support.example import Example
from tests.support.postgres import free_port
from tests.support.waiting import wait_until


@pytest.fixture
def example(take: Callable[..., Example]) -> Example:
    port = free_port()
    return take("fastapi-shop", port=port, UVICORN_PORT=str(port))


@pytest.fixture
def shop(example: Example) -> Iterator[httpx.Client]:
    """A client of the shop that runs."""
    url = f"http://127.0.0.1:{example.environment['UVICORN_PORT']}"
    example.start("uvicorn shop:app", url=f"{url}/orders")
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client


def placing(email: str, item: str) -> str:
    """The command that orders."""
    wanted = json.dumps({"email": email, "item": item})
    return f"curl -H 'Content-Type: application/json' -d '{wanted}' http://127.0.0.1:8000/orders"


def test_coroutines_note_what_became_of_each_receipt(example: Example, shop: httpx.Client) -> None:
    example.run(placing("ok@sandbox.test", "A teapot"))
    example.run(placing("bounce@sandbox.test", "A lid"))
    orders = json.loads(example.run("curl http://127.0.0.1:8000/orders"))

    assert orders.keys() == {"1", "2"}
    wait_until(lambda: shop.get("/orders").json() == {"1": "sent", "2": "bounced: mailbox_unknown"})
    example.stop()
    assert "Traceback" not in example.log()


def test_an_order_for_a_wrong_address_is_not_made(example: Example, shop: httpx.Client) -> None:
    refused = shop.post("/orders", json={"email": "nobody", "item": "A teapot"})

    assert refused.status_code == 422
    assert "to: has no @" in refused.json()["detail"]
    assert shop.get("/orders").json() == {}
    with closing(sqlite3.connect(example.directory / "shop.db")) as database:
        assert database.execute("SELECT count(*) FROM mailsvc_message").fetchone() == (0,)
