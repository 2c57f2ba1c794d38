"""Rows of ``mailsvc_submission`` that are not taken up: ``/v1/submissions``."""

from collections.abc import Iterable

from mailsvc_sdk._exchange import Operation
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.objects import Submission
from mailsvc_sdk._models.words import SubmissionState
from mailsvc_sdk._operations import objects
from mailsvc_sdk._operations.paths import HasId, parameters, path
from mailsvc_sdk._options import Options

__all__ = ["delete", "get", "list_", "retry"]


def list_(
    options: Options,
    *,
    app: str | Iterable[str] | None = None,
    state: SubmissionState | Iterable[SubmissionState] | None = None,
    page_size: int = 200,
    limit: int | None = None,
    cursor: str | None = None,
) -> Query[Submission]:
    """List the submissions that wait or can't be taken up, newest first; those of all apps with a key of the first app.

    Args:
        app: only of this app, by its name.
    """
    filters = parameters(app=app, state=state)
    return objects.query(options, Submission, path("submissions"), filters, page=(page_size, limit, cursor))


def get(options: Options, id: str | HasId) -> Operation[Submission]:
    """Return a submission with its draft. Raises NotFound, also once it is taken up."""
    return (yield from objects.fetch(options, Submission, "submissions", id))


def retry(options: Options, id: str | HasId) -> Operation[Submission]:
    """Have a submission looked at again. Raises NotFound."""
    return (yield from objects.act(options, Submission, "submissions", id, "retry"))


def delete(options: Options, id: str | HasId) -> Operation[None]:
    """Drop a submission: its mail is never sent. Raises NotFound."""
    return (yield from objects.remove(options, "submissions", id))
