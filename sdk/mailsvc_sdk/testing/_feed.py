"""The fake's events and arrivals: ``/v1/events``, ``/v1/inbound``."""

import time
from email import message_from_bytes
from email.policy import SMTP

from mailsvc_sdk._exchange import Request, Response
from mailsvc_sdk.events import Event
from mailsvc_sdk.testing._paging import filters_of, known, limit_of, page_of
from mailsvc_sdk.testing._problem import Problem, answer, invalid
from mailsvc_sdk.testing._state import State

__all__ = ["events", "get_inbound", "inbound_attachment", "list_inbound", "raw_inbound"]

REST = 0.005  # seconds that an empty long poll takes

_FIELDS = {"message": "in_reply_to_message_id", "mailbox": "mailbox_id", "kind": "kind", "from": "from"}


def events(state: State, request: Request) -> Response:
    """Answer ``GET /v1/events``."""
    filters, limit = filters_of(request.params, but={"after", "wait"}), limit_of(request.params)
    place, found = _place(state, dict(request.params).get("after", "beginning")), []
    for event in state.events[place:]:
        place += 1
        if _fits(event, filters):
            found.append(event.raw)
        if len(found) == limit:
            break
    if not found and request.held_for:
        time.sleep(REST)
    return answer(200, {"data": found, "next_cursor": f"cur_{place}"})


def _place(state: State, after: str) -> int:
    if after in {"beginning", "now"}:
        return 0 if after == "beginning" else len(state.events)
    if after.startswith("cur_"):
        return int(after.removeprefix("cur_"))
    places = [place for place, event in enumerate(state.events, 1) if event.id == after]
    if not places:
        raise invalid(("after", "no such event"))
    return places[0]


def _fits(event: Event, filters: dict[str, list[str]]) -> bool:
    types, messages = filters.get("type"), filters.get("message")
    family = event.type.partition(".")[0] + ".*"
    return (types is None or not {"*", family, event.type}.isdisjoint(types)) and (
        messages is None or event.data.get("message_id") in messages
    )


def list_inbound(state: State, request: Request) -> Response:
    """Answer ``GET /v1/inbound``."""
    filters = [(_FIELDS[name], values) for name, values in filters_of(request.params).items() if name in _FIELDS]
    arrivals = reversed(list(state.arrivals.values()))
    return answer(200, page_of((a for a in arrivals if all(a[n] in vs for n, vs in filters)), request.params))


def get_inbound(state: State, _: Request, id_: str) -> Response:
    """Answer ``GET /v1/inbound/{id}``."""
    return answer(200, known(state.arrivals, id_))


def raw_inbound(state: State, _: Request, id_: str) -> Response:
    """Answer ``GET /v1/inbound/{id}/raw``."""
    return answer(200, content=known(state.raw_arrivals, id_))


def inbound_attachment(state: State, _: Request, id_: str, index: str) -> Response:
    """Answer ``GET /v1/inbound/{id}/attachments/{index}``."""
    mail = message_from_bytes(known(state.raw_arrivals, id_), policy=SMTP)
    parts = list(mail.iter_attachments())
    if not index.isdecimal() or int(index) >= len(parts):
        raise Problem(404, "not_found", "there is no such attachment")
    content = parts[int(index)].get_payload(decode=True)
    return answer(200, content=content if isinstance(content, bytes) else b"")
