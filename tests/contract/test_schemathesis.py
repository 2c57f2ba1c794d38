"""The service keeps what openapi.yaml says, whatever is sent: no fault, no undocumented answer."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import booleans
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from mailsvc.api.app import routed
from mailsvc.api.routes import routes
from tests.support.api import ApiHarness, Client, open_harness

# Whether a value is acceptable is more than a schema can say (an address, what exists), so neither "fits the schema,
# must be taken" nor its reverse is asked. Keys have tests of their own: guessing many of them is answered 429.
JUDGED_ELSEWHERE = {"positive_data_acceptance", "negative_data_rejection", "missing_required_header", "ignored_auth"}
CHECKED: list[Any] = [check for check in CHECKS.get_all() if check.__name__ not in JUDGED_ELSEWHERE]
FEW = settings(
    max_examples=25,  # of each operation
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiHarness]:
    checked = {"ok": True, "steps": [], "tls": None, "capabilities": [], "duration_ms": 1.0}
    tried = {"delivered": True, "status_code": 200, "duration_ms": 1.0}
    harness = open_harness(
        tmp_path_factory.mktemp("harness"), check_relay=lambda _: checked, try_webhook=lambda *_: tried
    )
    yield harness
    harness.close()


@pytest.fixture(scope="module")
def client(harness: ApiHarness) -> Client:
    client = harness.create_app("alice")
    client.post("/relays", {"name": "default", "host": "127.0.0.1", "port": 2525, "tls": "none"})
    return client


@pytest.fixture(scope="module")
def known(client: Client) -> dict[str, str]:
    """The id of something that exists in each collection."""
    made = {
        "relays": {"name": "spare", "host": "127.0.0.1", "port": 2525, "tls": "none", "default": False},
        "messages": {"from": "a@app.test", "to": "b@example.test", "text": "t"},
        "suppressions": {"address": "c@example.test", "reason": "manual"},
        "keys": {"name": "other", "scopes": ["read"]},
        "webhooks": {"url": "https://hooks.example.test/"},
    }
    return {name: client.post(f"/{name}", form).json["id"] for name, form in made.items()}


@pytest.fixture(scope="module")
def api(harness: ApiHarness) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_wsgi("/openapi.yaml", harness.flask)


def operations() -> list[tuple[str, str]]:
    return [(route.method, route.path) for route in routes(routed())]


@pytest.mark.parametrize("method, path", operations())
def test_every_answer_is_one_that_the_document_names(
    api: schemathesis.BaseSchema, client: Client, known: dict[str, str], method: str, path: str
) -> None:
    """Whatever is sent, the answer has a documented status, type and shape, and is no fault of the service."""
    operation = api[path][method.upper()]
    fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    unfitting = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @FEW
    @given(case=fitting | unfitting, real=booleans())
    def try_it(case: schemathesis.Case[Any], real: bool) -> None:
        if real and case.path_parameters:
            case.path_parameters = dict.fromkeys(case.path_parameters, known.get(path.split("/")[2], "none"))
        case.call_and_validate(headers={"Authorization": f"Bearer {client.key}"}, checks=CHECKED)

    try_it()
