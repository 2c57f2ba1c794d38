"""The fake's suppressions: ``/v1/suppressions``."""

from mailsvc_sdk._exchange import Request, Response
from mailsvc_sdk.testing._paging import body_of, filters_of, known, page_of
from mailsvc_sdk.testing._problem import answer
from mailsvc_sdk.testing._state import State, now

__all__ = ["create", "delete", "get", "list_", "update"]


def list_(state: State, request: Request) -> Response:
    """Answer ``GET /v1/suppressions``."""
    filters = filters_of(request.params).items()
    found = reversed(list(state.suppressions.values()))
    return answer(200, page_of((s for s in found if all(s[n] in vs for n, vs in filters)), request.params))


def create(state: State, request: Request) -> Response:
    """Answer ``POST /v1/suppressions``."""
    return answer(201, state.suppress(**body_of(request)))


def get(state: State, _: Request, id_: str) -> Response:
    """Answer ``GET /v1/suppressions/{id}``."""
    return answer(200, known(state.suppressions, id_))


def update(state: State, request: Request, id_: str) -> Response:
    """Answer ``PATCH /v1/suppressions/{id}``."""
    known(state.suppressions, id_).update(body_of(request), updated_at=now())
    return get(state, request, id_)


def delete(state: State, _: Request, id_: str) -> Response:
    """Answer ``DELETE /v1/suppressions/{id}``."""
    removed = known(state.suppressions, id_)
    del state.suppressions[id_]
    state.tell("suppression.removed", removed)
    return answer(204)
