"""The URL parameters of a message/rfc822 submission: the settings that JSON carries beside the message itself."""

from typing import Any

from werkzeug.datastructures import MultiDict

from mailsvc.domain.draft import Draft
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.strict_json import convert

__all__ = ["RAW_ARGUMENTS", "handling_in"]

_OF_RAW = " Only for `message/rfc822`; JSON has a field for it."
_ENVELOPE = " Only for `message/rfc822`."
RAW_ARGUMENTS = {
    "from": "The envelope sender; by default, taken from the header." + _ENVELOPE,
    "to": "An envelope recipient; may be repeated. By default, the recipients in the header." + _ENVELOPE,
    "relay": "The relay's name or id." + _OF_RAW,
    "tag": "A tag; may be repeated." + _OF_RAW,
    "metadata.": "The metadata value under KEY." + _OF_RAW,
    "scheduled_at": "Do not send before this time (RFC 3339)." + _OF_RAW,
    "expires_in": "Seconds until mailsvc gives up." + _OF_RAW,
    "priority": "`high`, `normal` or `low`." + _OF_RAW,
    "on_uncertain": "`resend`, `hold` or `verify`." + _OF_RAW,
    "delivery_receipt": "`true` asks for a report of success (DSN)." + _OF_RAW,
}
_PLAIN = ("relay", "scheduled_at", "priority", "on_uncertain")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def handling_in(arguments: MultiDict[str, str]) -> Draft:
    """Return a draft that holds only the settings in these parameters.

    Raises:
        Invalid: a parameter has the wrong form, or is given twice.
    """
    for name in arguments:
        if name not in ("to", "tag") and len(arguments.getlist(name)) > 1:
            raise Invalid(FieldError(name, "is given twice; it is allowed once"))
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
