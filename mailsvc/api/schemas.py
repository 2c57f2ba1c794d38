"""The JSON schemas of requests and responses: from the types, with limits that types can't express."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from mailsvc.api.field_texts import describe_fields
from mailsvc.domain.draft import Draft, Limits
from mailsvc.domain.fieldtext import MAX_FIELD_OCTETS
from mailsvc.domain.labels import MAX_KEY, MAX_PAIRS, MAX_TAG, MAX_TAGS, MAX_VALUE
from mailsvc.domain.userheaders import LONGEST_VALUE

__all__ = ["Fault", "ProblemDocument", "components", "reference"]

Code = Literal[
    "invalid_request",
    "unauthorized",
    "insufficient_scope",
    "network_not_allowed",
    "not_found",
    "method_not_allowed",
    "conflict",
    "idempotency_in_flight",
    "cursor_expired",
    "payload_too_large",
    "unsupported_media_type",
    "validation_failed",
    "idempotency_mismatch",
    "rate_limited",
    "internal",
    "unavailable",
]


class Fault(msgspec.Struct):
    """An error in one field of the request."""

    field: str
    detail: str


class ProblemDocument(msgspec.Struct, omit_defaults=True):
    """An error (RFC 9457). `code` is stable and meant for programs, `detail` for people."""

    type: str
    title: str
    status: int
    detail: str
    code: Code
    request_id: str
    errors: list[Fault] = []
    oldest: str | None = None


MESSAGE_EXAMPLE = {
    "from": "Shop <orders@app.test>",
    "to": ["Alice <alice@example.test>"],
    "subject": "Your order",
    "text": "It is on its way.",
    "headers": {"X-Order": "17"},
    "attachments": [{"filename": "a.txt", "content_type": "text/plain", "content": "aGVsbG8="}],
    "tags": ["receipt"],
    "metadata": {"order": "17"},
}
_BATCH_ITEM = {
    "anyOf": [
        {"$ref": "#/components/schemas/Accepted"},
        {"$ref": "#/components/schemas/ProblemDocument"},
    ]
}


def reference(name: str) -> dict[str, str]:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def components(
    types: Iterable[Any], limits: Limits, *, requests: Iterable[Any] = ()
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the schema of each type, and the named schemas that they refer to.

    Args:
        requests: the types whose members may be null if they are not given (see ``nulls``).
    """
    schemas, named = msgspec.json.schema_components(
        [*types, Draft, ProblemDocument], ref_template="#/components/schemas/{name}"
    )
    for name, keywords in _refinements(limits).items():
        if name in named:
            _refine(named[name], keywords)
    describe_fields(named)
    for schema in named.values():
        schema.pop("title", None)
        _name_instants(schema)
        _leave_out_empty_defaults(schema)
    taken = [msgspec.json.schema_components([kind])[1] for kind in (*requests, Draft)]
    for name in {name for found in taken for name in found}:
        _allow_nulls(named[name])
    return list(schemas[:-2]), dict(sorted(named.items()))


def _refine(schema: dict[str, Any], keywords: Mapping[str, Any]) -> None:
    properties = schema.get("properties", {})
    for name, more in keywords.items():
        if name in properties:
            properties[name].update(more)
        elif name in ("description", "examples"):
            schema[name] = more


_KIND = ("type", "enum", "$ref", "items", "additionalProperties")


def _allow_nulls(schema: dict[str, Any]) -> None:
    """Allow null for every optional member."""
    required = schema.get("required", ())
    for name, property_ in schema.get("properties", {}).items():
        kind = {keyword: property_.pop(keyword) for keyword in _KIND if keyword in property_}
        kinds = property_.pop("anyOf", [kind])
        is_open = kind == {} and kinds == [kind]
        if name not in required and not is_open and {"type": "null"} not in kinds:
            kinds = [*kinds, {"type": "null"}]
        rest = dict(property_)
        property_.clear()
        property_.update((kinds[0] if len(kinds) == 1 else {"anyOf": kinds}) | rest)


def _leave_out_empty_defaults(schema: dict[str, Any]) -> None:
    """Null, or an empty list or object, says nothing as a default, and generators of clients stumble over them."""
    for property_ in schema.get("properties", {}).values():
        if "default" in property_ and property_["default"] in (None, [], {}):
            del property_["default"]


def _name_instants(schema: dict[str, Any]) -> None:
    """Describe members named ``…_at`` or ``timestamp`` as times: RFC 3339 in UTC."""
    for name, property_ in schema.get("properties", {}).items():
        if name.endswith("_at") or name == "timestamp":
            for kind in property_.get("anyOf", [property_]):
                if kind.get("type") == "string":
                    kind["format"] = "date-time"


def _refinements(limits: Limits) -> dict[str, dict[str, Any]]:
    recipients = {"maxItems": limits.max_recipients}
    return {
        "Draft": {
            "description": "A message. Requires at least one recipient in `to`, `cc` or `bcc`, and `text`, `html` or both.",
            "examples": [MESSAGE_EXAMPLE],
            "from": {"description": "The author: `address` or `Name <address>`.", "minLength": 3},
            "to": {
                "description": f"Addresses in the field To. At most {limits.max_recipients} recipients in `to`, `cc` and `bcc` together.",
                **recipients,
            },
            "cc": recipients,
            "bcc": recipients,
            "reply_to": recipients,
            "subject": {"maxLength": MAX_FIELD_OCTETS},
            "headers": {
                "description": "Additional header fields; a list of values for a field that occurs several times. A value has at most "
                f"{LONGEST_VALUE} octets; longer than {MAX_FIELD_OCTETS}, it needs white space where it can be folded."
            },
            "attachments": {"maxItems": limits.max_attachments},
            "template": {"description": "Not available yet."},
            "tags": {
                "maxItems": MAX_TAGS,
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_TAG},
            },
            "metadata": {
                "maxProperties": MAX_PAIRS,
                "propertyNames": {"minLength": 1, "maxLength": MAX_KEY},
                "additionalProperties": {"type": "string", "maxLength": MAX_VALUE},
            },
            "scheduled_at": {
                "description": "Do not send before this time, at most a year ahead. A time in the past means now."
            },
            "expires_in": {
                "minimum": 60,
                "maximum": 31_622_400,
                "description": "Seconds until mailsvc gives up, counted from `scheduled_at`, or else from acceptance.",
            },
            "relay": {
                "description": "The relay's name or id; by default, the app's default relay.",
                "maxLength": 255,
            },
            "on_uncertain": {
                "description": "If the connection is lost before the relay confirms: `resend` (may duplicate the message), `hold` "
                "(ends as `uncertain`) or `verify` (looks for the message in the Sent folder of the mailbox that is linked to the relay, for "
                "up to 15 minutes: if it is there, the message is sent, else it is sent again)."
            },
            "in_reply_to": {
                "description": "The message that this one replies to: an id (`msg_…`) or a Message-ID (`<id@host>`)."
            },
            "sender": {"description": "The field Sender, if it differs from `from`."},
            "return_path": {"description": "The envelope sender (MAIL FROM); overrides the relay's."},
            "list_unsubscribe_post": {
                "description": "Mark the https URI of the header List-Unsubscribe as one-click (RFC 8058). Set it only if your endpoint supports that."
            },
        },
        "Attachment": {
            "filename": {"minLength": 1, "maxLength": 255},
            "content": {
                "description": "The content in base64 (RFC 4648). Line breaks and the URL-safe alphabet are allowed."
            },
            "content_type": {"maxLength": 255},
            "disposition": {
                "description": "`alternative` marks another form of the text, such as an invitation. The default is `inline` if the HTML "
                "refers to the content id, else `attachment`."
            },
        },
        "BatchOfMessages": {
            "messages": {"items": reference("Draft"), "minItems": 1, "maxItems": 1000},
            "examples": [{"messages": [MESSAGE_EXAMPLE]}],
        },
        "AcceptedBatch": {
            "data": {
                "items": _BATCH_ITEM,
                "description": "The results, in the order of the request.",
            }
        },
        "ProblemDocument": {"status": {"minimum": 400, "maximum": 599}},
    }
