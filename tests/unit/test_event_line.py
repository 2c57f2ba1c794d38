"""The line that ``mailsvc events`` prints of an event."""

from mailsvc.cli.follow import event_line


def test_a_rejected_submission_has_its_id_and_its_errors() -> None:
    errors = [{"field": "to.0", "detail": "has no @"}, {"field": "", "detail": "is too large"}]
    data = {"submission_id": "msg_1", "app": "default", "errors": errors, "idempotency_key": None}
    line = event_line({"timestamp": "2026-11-29T00:27:29.5Z", "type": "submission.rejected", "data": data})

    assert line == "2026-11-29T00:27:29Z  msg_1  submission.rejected  to.0: has no @; is too large"
