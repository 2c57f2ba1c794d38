"""Generates an example value for a JSON schema, for every body in the documentation."""

from collections.abc import Mapping
from typing import Any

__all__ = ["id_of", "sample"]

_STRINGS = {"date-time": "2030-01-01T12:00:00Z", "byte": "aGVsbG8="}
_OTHERS: dict[str, Any] = {"integer": 0, "number": 0.5, "boolean": True, "null": None}
_DEEPEST = 6
_JSON_TYPES: dict[type, str] = {str: "string", int: "integer"}
_ID = "{}_01jd8z3k5w7q9v2m4n6p8r0t1x"
_PREFIXES = {
    "Accepted": "msg",
    "AcceptedDelivery": "dlv",
    "Arrival": "arr",
    "ArrivalDetails": "arr",
    "DeliveryObject": "dlv",
    "EventObject": "evt",
    "KeyObject": "key",
    "MadeKey": "key",
    "MailboxObject": "mbx",
    "MessageEvent": "evt",
    "MessageObject": "msg",
    "RelayObject": "rly",
    "DeliveryActionResult": "dlv",
    "MessageActionResult": "msg",
    "SubmissionObject": "msg",
    "SubmissionWithDraft": "msg",
    "SuppressionObject": "sup",
    "WebhookObject": "whk",
}
_IDS = {name: _ID.format(prefix) for name, prefix in _PREFIXES.items()} | {"AttemptObject": _ID.format("att") + "_1"}
_OF_TAG = {
    "messages": "msg",
    "webhooks": "whk",
    "relays": "rly",
    "mailboxes": "mbx",
    "inbound": "arr",
    "submissions": "msg",
    "suppressions": "sup",
    "keys": "key",
}
# A usual value by field name; used if the schema allows it.
_VALUES: dict[str, Any] = {
    "recipient": "alice@example.test",
    "address": "alice@example.test",
    "message_id": "<01jd8z3k5w7q9v2m4n6p8r0t1x@app.test>",
    "delivery_id": _ID.format("dlv"),
    "event_id": _ID.format("evt"),
    "mailbox_id": _ID.format("mbx"),
    "protocol": "imap",
    "after": "keep",
    "folder": "INBOX",
    "uid": "1712345678:42",
    "poll_interval": 60,
    "from": "Shop <orders@app.test>",
    "subject": "Your order",
    "status": "queued",
    "kind": "to",
    "priority": "normal",
    "on_uncertain": "resend",
    "expires_in": 259200,
    "size": 1536,
    "relay": "default",
    "name": "default",
    "host": "smtp.provider.example",
    "port": 587,
    "tls": "starttls",
    "auth": "auto",
    "version": "TLSv1.3",
    "cipher": "TLS_AES_256_GCM_SHA384",
    "stage": "eom",
    "code": 250,
    "enhanced_code": "2.0.0",
    "status_code": 200,
    "outcome": "sent",
    "type": "message.sent",
    "sequence": 2,
    "number": 1,
    "url": "https://app.example/mail-events",
    "filename": "invoice.pdf",
    "content_type": "application/pdf",
    "app": "default",
}


def id_of(tag: str) -> str:
    """An example id in the form of this resource's ids."""
    return _ID.format(_OF_TAG[tag])


def sample(schema: Mapping[str, Any], named: Mapping[str, Any], *, name: str = "", depth: int = 0) -> Any:
    """Return one value that the schema allows; ``named`` holds the targets of ``$ref``, ``name`` is the field's."""
    if depth > _DEEPEST:
        return None
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        made = sample(named[target], named, name=name, depth=depth + 1)
        return made | {"id": _IDS[target]} if made and target in _IDS else made
    if schema.get("examples"):
        return schema["examples"][0]
    kinds = schema.get("anyOf") or schema.get("oneOf") or [schema]
    if name in _VALUES and any(_allows(kind, _VALUES[name]) for kind in kinds):
        return _VALUES[name]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if {"type": "null"} in kinds and {"type": "string"} in kinds:
        return None  # mostly empty, such as an error
    if kinds != [schema]:
        return sample(kinds[0], named, name=name, depth=depth)
    return _by_type(schema, named, depth)


def _allows(schema: Mapping[str, Any], value: Any) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    return _JSON_TYPES[type(value)] == schema.get("type")


def _by_type(schema: Mapping[str, Any], named: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if schema.get("enum"):
        return schema["enum"][0]
    if kind == "object":
        members = schema.get("properties", {}).items()
        return {name: sample(inner, named, name=name, depth=depth + 1) for name, inner in members}
    if kind == "array":
        return [sample(schema["items"], named, depth=depth + 1)] if schema.get("items") else []
    if kind == "string":
        return _STRINGS.get(schema.get("format", ""), "…")
    return schema.get("minimum", _OTHERS.get(str(kind)))
