"""The routes of the application, with the descriptions in their modules.

A view without an entry in its module's ``OPERATIONS`` is an error, so that none can be forgotten.
"""

import re
import sys
from dataclasses import dataclass

from flask import Flask
from werkzeug.routing import Rule

from mailsvc.api.operation import Operation

__all__ = ["TAGS", "Route", "routes"]

_CONVERTER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_VERBS = ("post", "get", "patch", "delete")
_UNLISTED = frozenset({"HEAD", "OPTIONS"})

TAGS = {
    "messages": "Submit messages, read their status, and change those that are not sent yet.",
    "events": "The ordered feed of everything that happened. It contains the same events that webhooks receive.",
    "webhooks": "Your endpoints for events. Each event is posted as JSON, signed according to "
    "[Standard Webhooks](https://www.standardwebhooks.com/), and retried for about three days until the endpoint returns 2xx.",
    "relays": "The mail accounts (SMTP submission) that messages are sent through.",
    "mailboxes": "The mail accounts (IMAP, POP3) that are watched. Each mail that arrives there becomes one arrival.",
    "inbound": "The mails that arrived, with their content and their raw form.",
    "submissions": "The mails that applications inserted into the table `mailsvc_submission`, until they are taken up.",
    "suppressions": "The addresses that receive no mail. Hard bounces add addresses automatically.",
    "keys": "API keys, with scopes, client networks and expiry.",
    "unsubscribe": "The links of List-Unsubscribe, for recipients. No key is needed.",
    "health": "Checks for load balancers and supervisors. No key is needed.",
    "metrics": "Metrics for Prometheus. No key is needed.",
    "docs": "This reference, for people and for programs. No key is needed.",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, with the description in its module."""

    method: str
    path: str
    name: str
    tag: str
    operation: Operation
    scope: str | None

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{([^}]+)\}", self.path)


def routes(app: Flask) -> list[Route]:
    """Return every operation of the application, the most used resources first.

    Raises:
        LookupError: a view that its module does not describe.
    """
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        described = getattr(sys.modules[view.__module__], "OPERATIONS", {})
        name = view.__name__
        if name not in described:
            raise LookupError(f"{view.__module__}.OPERATIONS does not describe {name}")
        path = _CONVERTER.sub(lambda found: "{" + found[1].rstrip("_") + "}", rule.rule)
        scope = getattr(view, "scope", None)
        methods = sorted((rule.methods or set()) - _UNLISTED)
        found += [Route(verb.lower(), path, name, _tag(rule), described[name], scope) for verb in methods]
    return sorted(found, key=lambda route: (list(TAGS).index(route.tag), route.path, _VERBS.index(route.method)))


def _tag(rule: Rule) -> str:
    """The resource: the first part of the path below /v1, or else the module."""
    _, version_, resource, *_ = f"{rule.rule}//".split("/")
    return resource if version_ == "v1" else rule.endpoint.partition(".")[0]
