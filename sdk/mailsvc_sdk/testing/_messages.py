"""The fake's messages: ``/v1/messages``."""

from datetime import datetime
from typing import Any

from mailsvc_sdk._exchange import Request, Response
from mailsvc_sdk._models.record import utc
from mailsvc_sdk._models.words import FINAL
from mailsvc_sdk.events import Event
from mailsvc_sdk.testing._fates import Fates
from mailsvc_sdk.testing._mime import mime_of
from mailsvc_sdk.testing._paging import body_of, filters_of, page_of
from mailsvc_sdk.testing._problem import Problem, answer
from mailsvc_sdk.testing._sent import SentMail
from mailsvc_sdk.testing._state import State, planned

__all__ = ["act", "attempts", "events", "get", "list_", "raw", "update"]

_ALLOWED = {
    "cancel": {"scheduled", "queued", "deferred", "held"},
    "hold": {"scheduled", "queued", "deferred"},
    "release": {"held"},
    "retry": {"deferred", "held", "bounced", "expired", "uncertain", "suppressed"},
}


def list_(state: State, request: Request) -> Response:
    """Answer ``GET /v1/messages``."""
    filters = filters_of(request.params)
    fitting = (mail.document for mail in reversed(state.outbox) if _fits(mail, filters))
    return answer(200, page_of(fitting, request.params))


def _fits(mail: SentMail, filters: dict[str, list[str]]) -> bool:
    return all(any(_has(mail, name, value) for value in values) for name, values in filters.items())


def _has(mail: SentMail, name: str, value: str) -> bool:
    if name.startswith("metadata."):
        return mail.metadata.get(name.removeprefix("metadata.")) == value
    if name in {"since", "until"}:
        return (_accepted_at(mail) >= utc(value)) == (name == "since")
    tests = {
        "status": mail.status == value,
        "recipient": value in mail.recipients,
        "tag": value in mail.tags,
        "from": value in mail.draft["from"],
        "q": value in f"{mail.id} {mail.subject} {mail.from_} {mail.recipients}",
    }
    return tests[name]


def _accepted_at(mail: SentMail) -> datetime:
    return utc(mail.document["created_at"])


def get(state: State, request: Request, id_: str) -> Response:
    """Answer ``GET /v1/messages/{id}``."""
    mail = state.mail(id_)
    content = {"text": mail.text, "html": mail.html} if ("include", "content") in request.params else {}
    arrivals = [arrival for arrival in state.arrivals.values() if arrival["in_reply_to_message_id"] == id_]
    return answer(200, {**mail.document, "arrivals": arrivals, **content})


def update(state: State, request: Request, id_: str) -> Response:
    """Answer ``PATCH /v1/messages/{id}``."""
    mail = state.mail(id_)
    if any(delivery["status"] in FINAL for delivery in mail.document["deliveries"]):
        raise Problem(409, "conflict", "some of it was sent")
    mail.document.update(body_of(request))
    return get(state, request, id_)


def raw(state: State, _: Request, id_: str) -> Response:
    """Answer ``GET /v1/messages/{id}/raw``."""
    mail = state.mail(id_)
    return answer(200, content=mail.raw or mime_of(mail.draft, mail.message_id).as_bytes())


def events(state: State, request: Request, id_: str) -> Response:
    """Answer ``GET /v1/messages/{id}/events``."""
    return answer(200, page_of((event.raw for event in _told(state, id_)), request.params))


def attempts(state: State, request: Request, id_: str) -> Response:
    """Answer ``GET /v1/messages/{id}/attempts``."""
    told = [event for event in _told(state, id_) if "smtp" in event.data]
    return answer(200, page_of((_attempt(event) for event in reversed(told)), request.params))


def _told(state: State, id_: str) -> list[Event]:
    state.mail(id_)
    return [event for event in state.events if event.data.get("message_id") == id_]


def _attempt(event: Event) -> dict[str, Any]:
    return {
        "id": event.id.replace("evt", "att"),
        "delivery_id": event.data["delivery_id"],
        "number": event.data["attempt"],
        "started_at": event.raw["timestamp"],
        "duration_ms": 0,
        "relay": "default",
        "tls": None,
        "outcome": event.data["status"],
        **event.data["smtp"],
    }


def act(state: State, fates: Fates, request: Request, id_: str, action: str) -> Response:
    """Answer the actions on a message."""
    mail, force = state.mail(id_), bool(body_of(request).get("force"))
    results = [_act_on(state, fates, (mail, delivery), action, force=force) for delivery in mail.document["deliveries"]]
    if not any(result["changed"] for result in results):
        raise Problem(409, "conflict", f"{action}: no delivery is in a state that allows it")
    return answer(200, {"id": mail.id, "status": mail.status, "deliveries": results})


def _act_on(
    state: State, fates: Fates, about: tuple[SentMail, dict[str, Any]], action: str, *, force: bool
) -> dict[str, Any]:
    mail, delivery = about
    before = delivery["status"]
    changed = before in _ALLOWED[action] and (action != "retry" or force or before != "suppressed")
    if changed and action in {"cancel", "hold"}:
        getattr(fates, action)(mail.id, delivery["recipient"])
    elif changed:
        state.move(mail, delivery, planned(mail.document))
    shown = {name: delivery[name] for name in ("id", "recipient", "status")}
    return {**shown, "changed": changed, "detail": None if changed else f"is {before}"}
