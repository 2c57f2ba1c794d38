"""Whether the service runs and can accept messages. No key is needed."""

from typing import Literal

import msgspec
from flask import Blueprint, Response, jsonify, request

from mailsvc.api.operation import Operation
from mailsvc.api.parts import services

__all__ = ["CHECKS", "OPERATIONS", "Health", "Readiness", "blueprint"]

blueprint = Blueprint("health", __name__)

CHECKS = "mailsvc.checks"  # in the environ: the results of the gateway's checks


class Health(msgspec.Struct):
    """The process is running."""

    status: Literal["ok"]


class Readiness(msgspec.Struct):
    """Whether messages can be accepted; each of `checks` is `ok` or says what is wrong."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]


OPERATIONS = {
    "get_health": Operation(summary="Check that the process is running.", answer=Health),
    "get_readiness": Operation(
        summary="Check that messages can be accepted; 503 names the failed checks.",
        answer=Readiness,
        also_answers={503: Readiness},
    ),
}


@blueprint.get("/healthz")
def get_health() -> Response:
    """The process is running."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def get_readiness() -> tuple[Response, int]:
    """Whether messages can be accepted, and what prevents it. A relay that is down never does."""
    checks = request.environ.get(CHECKS) or services().readiness.look()
    ready = all(said == "ok" for said in checks.values())
    return jsonify(status="ready" if ready else "not_ready", checks=checks), 200 if ready else 503
