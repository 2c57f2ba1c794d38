"""The filters of lists in the parameters of a URL."""

import re

from flask import request
from werkzeug.datastructures import MultiDict

from mailsvc import clock
from mailsvc.domain.errors import FieldError, Invalid

__all__ = ["check_filters", "requested_instants", "requested_texts"]

_WITHOUT_PLUS = re.compile(r" (?=\d\d:\d\d$)")
MOST_VALUES, LONGEST_VALUE = 100, 1000


def check_filters(arguments: MultiDict[str, str]) -> None:
    """Limit the filters: a database rejects longer patterns and deeper conditions with errors that help nobody."""
    values = list(arguments.items(multi=True))
    for name, value in values:
        if max(len(name), len(value)) > LONGEST_VALUE:
            raise Invalid(FieldError(name[:100], f"must have at most {LONGEST_VALUE} characters"))
    if len(values) > MOST_VALUES:
        raise Invalid(FieldError(values[-1][0], f"is one filter too many; at most {MOST_VALUES} are allowed"))


def requested_texts(name: str) -> tuple[str, ...]:
    """All values of a filter."""
    return tuple(request.args.getlist(name))


def requested_instants(name: str) -> list[int]:
    """All values of a filter that are RFC 3339 times. Raises Invalid."""
    try:
        # A + that was not percent-encoded arrives as a space.
        return [clock.parse_rfc3339(_WITHOUT_PLUS.sub("+", text)) for text in request.args.getlist(name)]
    except ValueError as error:
        raise Invalid(FieldError(name, str(error))) from None
