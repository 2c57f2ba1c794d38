"""The arguments in the URL of a message/rfc822 submission: what JSON says beside the message itself."""

from typing import Any

from werkzeug.datastructures import MultiDict

from mailsvc.api.input import convert
from mailsvc.domain.draft import Draft
from mailsvc.domain.errors import FieldError, Invalid

__all__ = ["RAW_ARGUMENTS", "handling_in"]

_OF_RAW = " Of a message/rfc822 body; JSON has a member for it."
RAW_ARGUMENTS = {
    "from": "The envelope's sender of a message/rfc822 body; else from its header.",
    "to": "The envelope's recipients of a message/rfc822 body; else from its header.",
    "relay": "The name or id of the relay." + _OF_RAW,
    "tag": "A tag; may be repeated." + _OF_RAW,
    "metadata.": "A pair of the metadata." + _OF_RAW,
    "scheduled_at": "When to send it (RFC 3339)." + _OF_RAW,
    "expires_in": "Seconds after which it is given up." + _OF_RAW,
    "priority": "high, normal or low." + _OF_RAW,
    "on_uncertain": "resend or hold." + _OF_RAW,
    "delivery_receipt": "true asks for a success report." + _OF_RAW,
}
_PLAIN = ("relay", "scheduled_at", "priority", "on_uncertain")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def handling_in(arguments: MultiDict[str, str]) -> Draft:
    """A draft that holds no more than what these arguments say of the handling.

    Raises:
        Invalid: one of them has the wrong form, or is given twice.
    """
    for name in arguments:
        if name not in ("to", "tag") and len(arguments.getlist(name)) > 1:
            raise Invalid(FieldError(name, "is given twice; give it once"))
    given: dict[str, Any] = {name: arguments[name] for name in _PLAIN if name in arguments}
    if "expires_in" in arguments:
        given["expires_in"] = _number("expires_in", arguments["expires_in"])
    if "delivery_receipt" in arguments:
        given["delivery_receipt"] = _flag("delivery_receipt", arguments["delivery_receipt"])
    metadata = {name.removeprefix("metadata."): arguments[name] for name in arguments if name.startswith("metadata.")}
    return convert({"from": "", "tags": arguments.getlist("tag"), "metadata": metadata, **given}, Draft)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Invalid(FieldError(name, "must be a whole number of seconds"))
    return int(text)


def _flag(name: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise Invalid(FieldError(name, "must be true or false"))
    return _FLAGS[text.lower()]
