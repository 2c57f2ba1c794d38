"""Uses a client that a generator made from openapi.yaml, against a running service: send, look, list, follow, err.

Arguments: the service's URL and its key. Run by ``.ci/clients``.
"""

import sys
from collections.abc import Callable
from typing import Any

from mailsvc_client.api.events import list_events
from mailsvc_client.api.messages import get_message, list_messages, submit_batch, submit_message
from mailsvc_client.api.relays import list_relays
from mailsvc_client.client import AuthenticatedClient
from mailsvc_client.models import BatchOfMessages, Draft, ProblemDocument

TRIES = 30  # of a second each, by the feed's long poll


def main(url: str, key: str) -> None:
    """Walk through what an application does."""
    client = AuthenticatedClient(base_url=url, token=key)
    draft = Draft.from_dict({"from": "shop@app.test", "to": "ok@sandbox.test", "subject": "Hi", "text": "Hello."})

    accepted = submit_message.sync(client=client, body=draft, idempotency_key="order-17")
    again = submit_message.sync(client=client, body=draft, idempotency_key="order-17")
    assert accepted.id == again.id, "the same key is the same message"

    batch = submit_batch.sync(client=client, body=BatchOfMessages(messages=[draft, draft]))
    assert len(batch.data) == 2

    events = until(
        lambda: list_events.sync(client=client, message=[accepted.id], type_=["message.sent"], wait="1").data
    )
    assert events[0].data["recipient"] == "ok@sandbox.test"

    message = get_message.sync(accepted.id, client=client)
    assert (message.status, message.deliveries[0].status) == ("sent", "sent")
    assert message.created_at == accepted.created_at
    assert {m.id for m in list_messages.sync(client=client, limit="50").data} >= {accepted.id}
    assert [relay.name for relay in list_relays.sync(client=client).data] == ["sandbox"]

    wrong = submit_message.sync(
        client=client, body=Draft.from_dict({"from": "shop@app.test", "to": ["nobody"], "text": "x"})
    )
    assert isinstance(wrong, ProblemDocument)
    assert (wrong.status, wrong.errors[0].field) == (422, "to.0")
    print("the generated Python client sends, lists, follows and reads problems")


def until(found: Callable[[], Any]) -> Any:
    """Ask again until there is something."""
    for _ in range(TRIES):
        if result := found():
            return result
    raise AssertionError("nothing came")


main(*sys.argv[1:])
