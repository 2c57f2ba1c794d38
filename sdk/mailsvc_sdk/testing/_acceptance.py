"""Accepts messages as the service does."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mailsvc_sdk._exchange import Request, Response
from mailsvc_sdk._ids import new_id
from mailsvc_sdk.testing._mime import draft_of
from mailsvc_sdk.testing._problem import Problem, answer, invalid
from mailsvc_sdk.testing._rules import check, listed, recipients
from mailsvc_sdk.testing._sent import SentMail, sent_mail
from mailsvc_sdk.testing._state import State, now, overall_status, planned

__all__ = ["Acceptance"]

DEFAULT_EXPIRES_IN = 259_200  # seconds


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Takes messages.

    Args:
        accepted: is told of each mail once it is in the outbox.
    """

    state: State
    accepted: Callable[[SentMail], None]

    def submit(self, request: Request) -> Response:
        """Answer ``POST /v1/messages``."""
        return self._once(request, self._submitted)

    def submit_batch(self, request: Request) -> Response:
        """Answer ``POST /v1/messages/batch``."""
        return self._once(request, self._submitted_batch)

    def preflight(self, request: Request) -> dict[str, Any]:
        """Answer ``POST /v1/messages/validate``; it finds nothing."""
        draft = _object(request.content or b"")
        check(draft)
        document = _document(self._answering(draft))
        mime = sent_mail(document, draft, "", None).mime().as_string()
        deliveries = [{name: d[name] for name in ("recipient", "kind", "status")} for d in document["deliveries"]]
        shown = {"status": document["status"], "relay": document["relay"], "size": len(mime), "mime": mime}
        return shown | {"deliveries": deliveries, "findings": []}

    def _once(self, request: Request, act: Callable[[Request], Any]) -> Response:
        """Give the first answer again where the key is known."""
        key = request.idempotency_key or new_id("key")
        print_ = hashlib.sha256(repr((request.path, request.params)).encode() + (request.content or b"")).digest()
        known = self.state.answers.get(key)
        if known is None:
            document = act(request)
            self.state.answers[key] = print_, document
            return answer(202, document)
        if known[0] != print_:
            raise Problem(
                422, "idempotency_mismatch", "the key was used for another request", [("Idempotency-Key", "is used")]
            )
        return answer(202, known[1], replayed=True)

    def _submitted(self, request: Request) -> dict[str, Any]:
        raw = request.content or b""
        if request.headers.get("Content-Type") != "message/rfc822":
            return self._accept(_object(raw), request.idempotency_key or "")
        params: dict[str, list[str]] = {}
        for name, value in request.params:
            params.setdefault(name, []).append(value)
        return self._accept(draft_of(raw, params), request.idempotency_key or "", raw)

    def _submitted_batch(self, request: Request) -> dict[str, Any]:
        drafts = _object(request.content or b"")["messages"]
        found = [self._checked(index, draft) for index, draft in enumerate(drafts)]
        problems = [entry for entry in found if isinstance(entry, Problem)]
        if problems and (("atomic", "true") in request.params or len(problems) == len(drafts)):
            raise invalid(*(error for problem in problems for error in problem.errors))
        key = request.idempotency_key or ""
        return {"data": [e.document() if isinstance(e, Problem) else self._accept(e, key) for e in found]}

    def _checked(self, index: int, draft: Mapping[str, Any]) -> Mapping[str, Any] | Problem:
        try:
            check(draft)
        except Problem as problem:
            return invalid(*((f"messages.{index}.{field}", detail) for field, detail in problem.errors))
        return draft

    def _accept(self, draft: Mapping[str, Any], key: str, raw: bytes | None = None) -> dict[str, Any]:
        check(draft)
        draft = self._answering(draft)
        mail = sent_mail(_document(draft), draft, key, raw)
        self.state.outbox.append(mail)
        shown = ("message_id", "tags", "metadata", "status")
        told = {"message_id": mail.id, **{name: mail.document[name] for name in shown if name != "message_id"}}
        self.state.tell("message.queued", told, of=mail.id)
        accepted = {name: mail.document[name] for name in ("id", "message_id", "status", "created_at")}
        deliveries = [{n: d[n] for n in ("id", "recipient", "status")} for d in mail.document["deliveries"]]
        self.accepted(mail)
        return accepted | {"deliveries": deliveries}

    def _answering(self, draft: Mapping[str, Any]) -> Mapping[str, Any]:
        arrival = self.state.arrivals.get(draft.get("in_reply_to") or "")
        if arrival is None:
            if str(draft.get("in_reply_to")).startswith("arr_"):
                raise invalid(("in_reply_to", "no such arrival"))
            return draft
        if arrival["auto_reply"] and not draft.get("force"):
            raise Problem(409, "conflict", "a machine sent it")
        subject = arrival["subject"] or ""
        usual = {"to": arrival["from"], "subject": subject if subject.startswith("Re:") else f"Re: {subject}"}
        return {**draft, **{name: value for name, value in usual.items() if not draft.get(name)}}


def _object(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        raise Problem(400, "invalid_request", "the body is not JSON") from None
    if not isinstance(document, dict):
        raise Problem(422, "validation_failed", "the body must be an object")
    return document


def _document(draft: Mapping[str, Any]) -> dict[str, Any]:
    deliveries = [_delivery(address, kind, planned(draft)) for address, kind in recipients(draft).items()]
    id_ = new_id("msg")
    return {
        "id": id_,
        "message_id": f"<{id_}@fake.test>",
        "status": overall_status(deliveries),
        "created_at": now(),
        "updated_at": now(),
        "from": draft["from"],
        **{name: listed(draft.get(name)) for name in ("to", "cc", "bcc", "reply_to", "tags")},
        **{
            name: draft.get(name)
            for name in ("subject", "scheduled_at", "in_reply_to", "sender", "return_path", "template")
        },
        **{name: dict(draft.get(name) or {}) for name in ("headers", "metadata", "variables")},
        **{name: bool(draft.get(name)) for name in ("delivery_receipt", "list_unsubscribe_post")},
        "store": draft.get("store") is not False,
        "attachments": [_attachment(entry) for entry in draft.get("attachments") or []],
        "expires_in": draft.get("expires_in") or DEFAULT_EXPIRES_IN,
        "priority": draft.get("priority") or "normal",
        "relay": draft.get("relay") or "default",
        "on_uncertain": draft.get("on_uncertain") or "resend",
        "size": len(json.dumps(draft)),
        "deliveries": deliveries,
    }


def _delivery(address: str, kind: str, status: str) -> dict[str, Any]:
    usual = {"attempts": 0, "next_attempt_at": None, "last_smtp": None, "updated_at": now()}
    return {"id": new_id("dlv"), "recipient": address, "kind": kind, "status": status, **usual}


def _attachment(entry: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: entry.get(name) for name in ("filename", "content_type", "content_id", "disposition")}
    return kept | {"size": len(entry["content"]) * 3 // 4}
