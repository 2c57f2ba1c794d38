"""A message as JSON."""

import json
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, TypeAlias, TypedDict

from .addresses import Addresses, AddressLike, address, addresses
from .attachments import Attachable, attachment
from .choices import OnUncertain, Priority
from .times import Seconds, When, instant, seconds

__all__ = ["Draft", "DraftFields", "Handling", "canonical", "draft", "require_known"]


class Handling(TypedDict, total=False):
    """How a message is handled."""

    tags: Iterable[str] | None
    metadata: Mapping[str, str] | None
    scheduled_at: When | None
    expires_in: Seconds | None
    priority: Priority | None
    relay: str | None
    on_uncertain: OnUncertain | None
    delivery_receipt: bool | None


class DraftFields(Handling, total=False):
    """A message, as the keywords of ``send``. None means that it is not given."""

    from_: AddressLike | None
    to: Addresses | None
    cc: Addresses | None
    bcc: Addresses | None
    reply_to: Addresses | None
    sender: AddressLike | None
    return_path: AddressLike | None
    subject: str | None
    text: str | None
    html: str | None
    headers: Mapping[str, str | list[str]] | None
    attachments: Iterable[Attachable] | None
    template: str | None
    variables: Mapping[str, Any] | None
    list_unsubscribe_post: bool | None
    in_reply_to: str | None
    force: bool | None
    store: bool | None


# The JSON of POST /v1/messages, with what ``send`` takes in place of strings.
Draft = TypedDict(
    "Draft",
    {
        "from": AddressLike,
        "from_": AddressLike,
        "to": Addresses,
        "cc": Addresses,
        "bcc": Addresses,
        "reply_to": Addresses,
        "sender": AddressLike,
        "return_path": AddressLike,
        "subject": str,
        "text": str,
        "html": str,
        "headers": Mapping[str, str | list[str]],
        "attachments": Iterable[Attachable],
        "template": str,
        "variables": Mapping[str, Any],
        "tags": Iterable[str],
        "metadata": Mapping[str, str],
        "scheduled_at": When,
        "expires_in": Seconds,
        "priority": Priority,
        "relay": str,
        "on_uncertain": OnUncertain,
        "delivery_receipt": bool,
        "list_unsubscribe_post": bool,
        "in_reply_to": str,
        "force": bool,
        "store": bool,
    },
    total=False,
)

Convert: TypeAlias = Callable[[Any], Any]


def _strings(value: Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


_CONVERTED: dict[str, Convert] = {
    "from": address,
    "to": addresses,
    "cc": addresses,
    "bcc": addresses,
    "reply_to": addresses,
    "sender": address,
    "return_path": address,
    "attachments": lambda value: [attachment(entry) for entry in value],
    "tags": _strings,
    "scheduled_at": instant,
    "expires_in": seconds,
}


def draft(message: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the API's JSON: the keywords over the mapping. Raises TypeError and ValueError for what can't be turned."""
    members = {**(message or {})}
    if "from_" in members:
        members["from"] = members.pop("from_")
    members |= {name.removesuffix("_"): value for name, value in fields.items() if value is not None}
    return {name: _converted(name, value) for name, value in members.items()}


def _converted(name: str, value: Any) -> Any:
    convert = _CONVERTED.get(name)
    return value if convert is None or value is None else convert(value)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def canonical(document: object) -> bytes:
    """Return JSON that is the same bytes for the same content, in any process."""
    return _encode(document).encode()


def require_known(function: str, fields: Mapping[str, Any], known: Container[str]) -> None:
    """Raise TypeError, as Python does, for a keyword that the function does not have."""
    for name in fields:
        if name not in known:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
