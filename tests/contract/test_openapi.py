"""openapi.yaml is what the code does: generated from it, checked in, and complete."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from mailsvc.api import openapi
from mailsvc.api.app import routed
from mailsvc.api.openapi import describe, to_yaml
from mailsvc.domain.draft import Limits

CHECKED_IN = Path(__file__).parents[2] / "openapi.yaml"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(to_yaml(describe(routed(), Limits())))
    return loaded


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_checked_in_document_is_what_the_code_makes() -> None:
    """Drift is a failure; `mailsvc openapi > openapi.yaml` brings the file up to date."""
    made = to_yaml(describe(routed(), Limits()))

    assert CHECKED_IN.read_text("utf-8") == made, "run: mailsvc openapi > openapi.yaml"


def test_the_document_and_the_routes_name_the_same_operations(document: dict[str, Any]) -> None:
    """No view is undocumented, and nothing is documented that does not exist."""
    rules = [
        (method, re.sub(r"<(?:[^:<>]+:)?([^<>]+?)_?>", r"{\1}", rule.rule))
        for rule in routed().url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    ]

    assert sorted(rules) == sorted(operations(document))


def test_a_view_without_a_description_is_an_error() -> None:
    """Whoever adds a view is told to describe it."""
    app = Flask("test")
    app.add_url_rule("/forgotten", view_func=lambda: "")

    with pytest.raises(LookupError, match="does not describe <lambda>"):
        openapi.routes(app)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """A client generator can follow every $ref."""
    for ref in references(document):
        found: Any = document
        for step in ref.removeprefix("#/").split("/"):
            assert step in found, ref
            found = found[step]


def test_every_field_and_parameter_is_described(document: dict[str, Any]) -> None:
    """Nobody has to guess what a name means; field_texts holds what the types can't say."""
    schemas = document["components"]["schemas"]
    fields = {f"{name}.{f}": p for name, schema in schemas.items() for f, p in schema.get("properties", {}).items()}
    parameters = {p["name"]: p for o in operations(document).values() for p in o.get("parameters", ()) if "name" in p}

    assert not [name for name, p in (fields | parameters).items() if "description" not in p and "$ref" not in p]


def test_operations_have_unique_names(document: dict[str, Any]) -> None:
    """Client generators make a method of each operationId."""
    names = [operation["operationId"] for operation in operations(document).values()]

    assert len(names) == len(set(names))


VERBS = {
    ("GET", "/v1/things"): "list_things",
    ("POST", "/v1/things"): "create_thing",
    ("GET", "/v1/things/{id}"): "get_thing",
    ("PATCH", "/v1/things/{id}"): "update_thing",
    ("DELETE", "/v1/things/{id}"): "delete_thing",
}
NAMED_APART = {
    ("POST", "/v1/messages"): "submit_message",
    ("POST", "/v1/messages/batch"): "submit_batch",
    ("GET", "/v1/messages/{id}/attempts"): "list_message_attempts",
    ("GET", "/v1/messages/{id}/events"): "list_message_events",
    ("GET", "/v1/messages/{id}/raw"): "get_message_raw",
    ("GET", "/v1/inbound/{id}/raw"): "get_inbound_raw",
    ("GET", "/v1/inbound/{id}/attachments/{index}"): "get_inbound_attachment",
    ("GET", "/v1/webhooks/{id}/deliveries"): "list_webhook_deliveries",
    ("POST", "/v1/webhooks/{id}/rotate-secret"): "rotate_webhook_secret",
}


SINGULAR = {"mailboxes": "mailbox", "inbound": "inbound"}


def test_operations_are_named_by_one_set_of_verbs(document: dict[str, Any]) -> None:
    """An SDK freezes these names: list, get, create, update, delete a thing, or the name of what is done to it."""
    for (method, path), operation in operations(document).items():
        if not path.startswith("/v1/"):
            assert method == "POST" or operation["operationId"].startswith("get_"), (method, path)
            continue
        _, _, things, *rest = path.split("/")
        form = VERBS.get((method, "/".join(["", "v1", "things", *rest])), f"{rest[-1]}_thing" if rest else "")
        usual = form.replace("things", things).replace("thing", SINGULAR.get(things, things.removesuffix("s")))
        assert operation["operationId"] == NAMED_APART.get((method, path), usual), (method, path)


def test_operations_are_grouped_by_resource(document: dict[str, Any]) -> None:
    """The tag is what stands in the path, and those that people come for stand first."""
    tags = [tag["name"] for tag in document["tags"]]
    used = [operation["tags"] for operation in operations(document).values()]

    assert tags == [
        "messages", "events", "webhooks", "relays", "mailboxes", "inbound", "submissions", "suppressions", "keys",
        "unsubscribe", "health", "metrics", "docs",
    ]  # fmt: skip
    assert list(dict.fromkeys(tag for (tag,) in used)) == tags
    for (_, path), operation in operations(document).items():
        assert not path.startswith("/v1/") or operation["tags"] == [path.split("/")[2]]


def test_everything_below_v1_needs_a_key_with_a_scope(document: dict[str, Any]) -> None:
    """Only health, metrics and the documentation are open."""
    for (method, path), operation in operations(document).items():
        guarded = bool(operation.get("security"))
        assert guarded == path.startswith("/v1/"), (method, path)
        if guarded:
            assert {"401", "403", "429", "503"} <= operation["responses"].keys(), (method, path)


def test_path_parameters_are_described(document: dict[str, Any]) -> None:
    """Each name in the path is a required parameter, and a wrong one is answered 404."""
    for (method, path), operation in operations(document).items():
        named = {p["name"] for p in operation.get("parameters", ()) if p.get("in") == "path"}
        assert named == set(re.findall(r"\{(.+?)\}", path)), (method, path)
        if named:
            assert "404" in operation["responses"], (method, path)


def test_accepting_is_described_with_its_key_and_both_media_types(document: dict[str, Any]) -> None:
    """POST /v1/messages takes JSON and finished messages, once for each Idempotency-Key."""
    post = operations(document)["POST", "/v1/messages"]

    assert {"application/json", "message/rfc822"} == post["requestBody"]["content"].keys()
    assert "Idempotency-Key" in {p.get("name") for p in post["parameters"]}
    assert {"202", "400", "409", "413", "415", "422"} <= post["responses"].keys()


def test_the_limits_of_the_settings_are_in_the_document() -> None:
    """A service with other limits says so."""
    document = describe(routed(), Limits(max_recipients=7, max_attachments=3))
    draft = document["components"]["schemas"]["Draft"]["properties"]

    assert (7, 3) == (draft["to"]["maxItems"], draft["attachments"]["maxItems"])


def test_whatever_a_request_may_leave_out_may_be_null(document: dict[str, Any]) -> None:
    """The contract's "not given": clients made from the document may send it, whichever resource it is."""
    schemas = document["components"]["schemas"]
    bodies = [
        operation["requestBody"]["content"] for operation in operations(document).values() if "requestBody" in operation
    ]
    waiting = {ref for body in bodies for ref in references(body)} | {"#/components/schemas/Draft"}
    seen: set[str] = set()
    while waiting:
        seen.add(ref := waiting.pop())
        schema = schemas[ref.rpartition("/")[2]]
        waiting |= references(schema) - seen
        optional = {name: p for name, p in schema["properties"].items() if name not in schema.get("required", ())}
        strict = {name for name, p in optional.items() if "type" in p or "enum" in p or "$ref" in p}

        assert not strict, (ref, strict)
        assert all({"type": "null"} in p["anyOf"] for p in optional.values() if "anyOf" in p), ref
    assert len(seen) >= 10
