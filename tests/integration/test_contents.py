"""``store: false``: the content of a message goes as soon as nothing more is to be sent of it."""

import pytest

from mailsvc.domain.lifecycle import Change
from mailsvc.upkeep.contents import remove_contents
from tests.support.api import ApiHarness, Client
from tests.support.messages import claim_all, settle, submit


def clean_up(harness: ApiHarness) -> int:
    with harness.database.write() as connection:
        return remove_contents(connection)


def test_it_stays_until_the_last_delivery_has_ended(harness: ApiHarness, shop: Client) -> None:
    """Then the message, its attempts and its events are still told, without text."""
    id_ = submit(shop, "a@example.test", "b@example.test", store=False)["id"]
    first, second = claim_all(harness)
    settle(harness, first, Change.SENT)

    assert clean_up(harness) == 0
    assert shop.get(f"/messages/{id_}?include=content").json["text"] == "Hello."
    settle(harness, second, Change.BOUNCE, code=550)
    assert clean_up(harness) == 1

    message = shop.get(f"/messages/{id_}?include=content").json
    assert (message["store"], message["text"], message["subject"]) == (False, None, "Hi")
    assert shop.get(f"/messages/{id_}/raw").status_code == 404
    assert len(shop.get(f"/messages/{id_}/events").json["data"]) == 3


def test_what_is_gone_is_not_sent_again(harness: ApiHarness, shop: Client) -> None:
    """A retry is refused with the reason, and changes nothing."""
    id_ = submit(shop, store=False)["id"]
    settle(harness, claim_all(harness)[0], Change.BOUNCE, code=550)
    clean_up(harness)
    refused = shop.post(f"/messages/{id_}/retry")

    assert (refused.status_code, "store: false" in refused.json["detail"]) == (409, True)
    assert shop.get(f"/messages/{id_}").json["status"] == "bounced"


@pytest.mark.parametrize("fields", [{}, {"store": True}, {"store": None}])
def test_by_default_it_is_kept(harness: ApiHarness, shop: Client, fields: dict[str, bool]) -> None:
    id_ = submit(shop, **fields)["id"]
    settle(harness, claim_all(harness)[0], Change.SENT)

    assert clean_up(harness) == 0
    assert shop.get(f"/messages/{id_}").json["store"] is True
    assert shop.get(f"/messages/{id_}/raw").status_code == 200
