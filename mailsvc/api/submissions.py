"""/v1/submissions: rows of ``mailsvc_submission`` that are not taken up yet, or can't be."""

from typing import Literal, get_args

import msgspec
from flask import Blueprint, Response, jsonify, request

from mailsvc.api.auth import caller, needs
from mailsvc.api.input import refuse_fields, refuse_unknown_arguments
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, requested_limit
from mailsvc.api.parts import services
from mailsvc.api.schemas import Fault
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.outbox.submissions import browse
from mailsvc.runtime.wake import SUBMISSIONS

__all__ = ["OPERATIONS", "SubmissionObject", "blueprint"]

blueprint = Blueprint("submissions", __name__)

State = Literal["waiting", "rejected"]


class SubmissionObject(msgspec.Struct):
    """A row that an application inserted; `size` is its draft's, in bytes."""

    id: str
    app: str
    state: State
    idempotency_key: str | None
    created_at: str | None
    size: int
    errors: list[Fault]


class SubmissionWithDraft(SubmissionObject):
    """A row with its draft as it was inserted, which may be broken; null if it is larger than a request may be."""

    draft: str | None


class SubmissionPage(msgspec.Struct):
    """Submissions, newest first."""

    data: list[SubmissionObject]
    next_cursor: str | None


@blueprint.get("/v1/submissions")
@needs("admin")
def list_submissions() -> Response:
    """Submissions that are not taken up, newest first."""
    refuse_unknown_arguments("app", "state", "limit", "cursor")
    limit, states = requested_limit(), request.args.getlist("state")
    if unknown := [state for state in states if state not in get_args(State)]:
        raise Invalid(FieldError("state", f"{unknown[0][:100]!r} is not waiting or rejected"))
    wanted = browse.Filter(request.args.getlist("app"), states)
    parts, cursor = services(), request.args.get("cursor")
    found = browse.list_submissions(parts.database, caller().app_id, wanted, before=cursor, limit=limit + 1)
    shown = found[:limit]
    return jsonify(data=shown, next_cursor=shown[-1]["id"] if len(found) > limit else None)


@blueprint.get("/v1/submissions/<id_>")
@needs("admin")
def get_submission(id_: str) -> Response:
    """One submission with its draft."""
    refuse_unknown_arguments()
    parts = services()
    largest = parts.settings.max_request_bytes
    return jsonify(browse.get_submission(parts.database, caller().app_id, id_, largest=largest))


@blueprint.post("/v1/submissions/<id_>/retry")
@needs("admin")
def retry_submission(id_: str) -> Response:
    """Forget a submission's errors and look at it again."""
    refuse_unknown_arguments()
    refuse_fields()
    parts = services()
    shown = browse.retry_submission(parts.database, caller().app_id, id_)
    parts.bell.ring(SUBMISSIONS)
    return jsonify(shown)


@blueprint.delete("/v1/submissions/<id_>")
@needs("admin")
def delete_submission(id_: str) -> tuple[str, int]:
    """Drop a submission."""
    refuse_unknown_arguments()
    browse.drop_submission(services().database, caller().app_id, id_)
    return "", 204


OPERATIONS = {
    "list_submissions": Operation(
        summary="List the rows of `mailsvc_submission` that are not taken up, newest first. "
        "The first app's keys list those of all apps.",
        answer=SubmissionPage,
        query={
            "app": "Only rows of this app, by its name; may be repeated.",
            "state": "Only `waiting` or `rejected` rows.",
            **PAGING,
        },
    ),
    "get_submission": Operation(summary="Get one submission with its draft.", answer=SubmissionWithDraft),
    "retry_submission": Operation(
        summary="Forget a submission's errors: it is looked at again at once.", answer=SubmissionObject
    ),
    "delete_submission": Operation(summary="Drop a submission: its mail is never sent.", status=204),
}
