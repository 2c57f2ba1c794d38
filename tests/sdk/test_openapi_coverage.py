"""The SDK has every operation, parameter, field and event type of the API."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

import mailsvc_sdk
from mailsvc_sdk import AsyncMailsvc, Mailsvc
from mailsvc_sdk._operations import fields as forms
from mailsvc_sdk._sending.draft import DraftFields
from mailsvc_sdk.events import EVENT_TYPES

ROOT = Path(__file__).parent.parent.parent
API = yaml.safe_load((ROOT / "openapi.yaml").read_text())
OPERATIONS = {
    operation["operationId"]: operation
    for methods in API["paths"].values()
    for operation in methods.values()
    if isinstance(operation, dict) and "operationId" in operation
}
SCHEMAS = API["components"]["schemas"]

# For people and for machines other than applications.
NOT_FOR_APPLICATIONS = {
    "get_docs",
    "get_health",
    "get_metrics",
    "get_openapi",
    "get_unsubscribe_page",
    "unsubscribe_recipient",
}
METHODS = {
    "submit_message": "messages.send",
    "submit_batch": "messages.send_batch",
    "list_message_attempts": "messages.attempts",
    "list_message_events": "messages.events",
    "get_message_raw": "messages.raw",
    "get_inbound_attachment": "inbound.attachment",
    "get_inbound_raw": "inbound.raw",
    "get_inbound": "inbound.get",
    "list_inbound": "inbound.list",
    "rotate_webhook_secret": "webhooks.rotate_secret",
    "list_webhook_deliveries": "webhooks.deliveries",
    "delete_key": "keys.revoke",
    "get_readiness": "ready",
}
PLURALS = {"mailbox": "mailboxes"}

# The SDK's name where it is not the schema's less "Object".
OBJECTS = {
    "AttachmentObject": "MessageAttachment",
    "ArrivalDetails": "Arrival",
    "CheckStep": "RelayCheckStep",
    "MadeKey": "Key",
    "SmtpReply": "SMTPReply",
    "SubmissionWithDraft": "Submission",
    "TlsFacts": "TLS",
    "TlsObject": "TLS",
    "Trial": "WebhookTrial",
    "MessageEvent": "Event",
    "Fault": "FieldError",
}
NO_OBJECTS = {
    "AcceptedBatch",  # a BatchResult
    "Attachment",
    "BatchOfMessages",
    "Draft",
    "Health",
    "KeyChange",
    "MailboxChanges",
    "MessageChange",
    "NewKey",
    "NewMailbox",
    "NewRelay",
    "NewSuppression",
    "NewWebhook",
    "OAuth",
    "PauseMailbox",
    "PauseRelay",
    "ProbeMailbox",
    "ProblemDocument",
    "Readiness",
    "RelayChanges",
    "Replay",
    "RetryRequest",
    "Rotation",
    "Status",
    "SuppressionChange",
    "WebhookChanges",
}
PARAMETERS = {
    "limit": "page_size",
    "metadata.KEY": "metadata",
    "from": "from_",
    "type": "types",
    "include": "include_content",
}
UNSEEN_PARAMETERS = {"Idempotency-Key", "X-Request-Id"}


def method_of(operation_id: str, client: Any) -> Callable[..., Any]:
    found = client
    for name in path_of(operation_id).split("."):
        found = getattr(found, name)
    return found


def path_of(operation_id: str) -> str:
    if operation_id in METHODS:
        return METHODS[operation_id]
    verb, _, noun = operation_id.partition("_")
    noun = PLURALS.get(noun, noun)
    return f"{noun if noun.endswith('s') else noun + 's'}.{verb}"


def operations() -> list[str]:
    return sorted(OPERATIONS.keys() - NOT_FOR_APPLICATIONS)


@pytest.mark.parametrize("client", [Mailsvc(), AsyncMailsvc()])
@pytest.mark.parametrize("operation_id", operations())
def test_every_operation_is_a_method(operation_id: str, client: Any) -> None:
    assert callable(method_of(operation_id, client))
    assert method_of(operation_id, client).__doc__


@pytest.mark.parametrize("operation_id", sorted(set(operations()) - {"submit_message"}))
def test_every_query_parameter_is_an_argument(operation_id: str) -> None:
    named = [p["name"] for p in OPERATIONS[operation_id].get("parameters", []) if "name" in p and p["in"] != "header"]
    taken = inspect.signature(method_of(operation_id, Mailsvc())).parameters
    wait = {"wait"} if operation_id == "list_events" else set()  # of follow

    assert {PARAMETERS.get(name, name) for name in named} - wait <= taken.keys()


def test_send_raw_takes_every_query_parameter() -> None:
    named = {p["name"] for p in OPERATIONS["submit_message"]["parameters"] if p.get("in") == "query"}
    taken = inspect.signature(Mailsvc().send_raw).parameters

    assert {{"tag": "tags", **PARAMETERS}.get(name, name) for name in named} <= taken.keys()


@pytest.mark.parametrize("name", sorted(n for n in SCHEMAS.keys() - NO_OBJECTS if not n.endswith(("List", "Page"))))
def test_every_field_of_an_object_is_an_attribute(name: str) -> None:
    kind = getattr(mailsvc_sdk, OBJECTS.get(name, name.removesuffix("Object")))

    assert SCHEMAS[name]["properties"].keys() <= {field.name.removesuffix("_") for field in fields(kind)}


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        ("Draft", DraftFields),
        ("NewRelay", forms.NewRelay),
        ("RelayChanges", forms.RelayChanges),
        ("NewMailbox", forms.NewMailbox),
        ("MailboxChanges", forms.MailboxChanges),
        ("NewWebhook", forms.NewWebhook),
        ("WebhookChanges", forms.WebhookChanges),
        ("KeyChange", forms.KeyChanges),
        ("OAuth", forms.OAuth),
        ("RelayTimeouts", forms.RelayTimeoutFields),
    ],
)
def test_every_field_of_an_input_is_a_keyword(schema: str, form: Any) -> None:
    assert SCHEMAS[schema]["properties"].keys() <= {name.removesuffix("_") for name in form.__annotations__}


@pytest.mark.parametrize(
    ("schema", "method"),
    [
        ("NewKey", "keys.create"),
        ("NewSuppression", "suppressions.create"),
        ("SuppressionChange", "suppressions.update"),
        ("MessageChange", "messages.update"),
        ("Replay", "webhooks.replay"),
        ("Rotation", "webhooks.rotate_secret"),
        ("RetryRequest", "messages.retry"),
        ("PauseRelay", "relays.pause"),
        ("PauseMailbox", "mailboxes.pause"),
        ("ProbeMailbox", "mailboxes.probe"),
    ],
)
def test_every_field_of_an_action_is_an_argument(schema: str, method: str) -> None:
    resource, _, name = method.partition(".")
    taken = inspect.signature(getattr(getattr(Mailsvc(), resource), name)).parameters

    assert SCHEMAS[schema]["properties"].keys() <= taken.keys()


def test_every_event_type_has_a_class() -> None:
    rows = [
        line.split("`")[1] for line in (ROOT / "docs" / "events.md").read_text().splitlines() if line.startswith("| `")
    ]

    assert len(rows) >= 24
    assert set(rows) <= EVENT_TYPES.keys()
    assert all(
        kind.__name__ == "".join(w.title() for w in name.replace("_", ".").split("."))
        for name, kind in EVENT_TYPES.items()
    )


def test_every_webhook_event_has_the_members_of_its_example() -> None:
    for name, entry in API.get("webhooks", {}).items():
        assert name in EVENT_TYPES, entry


def test_the_public_names_are_there() -> None:
    for module in (mailsvc_sdk, mailsvc_sdk.events, mailsvc_sdk.testing, mailsvc_sdk.webhooks):
        assert sorted(module.__all__) == sorted(set(module.__all__))
        assert all(hasattr(module, name) for name in module.__all__)
