"""examples/cron, as its README says."""

from collections.abc import Callable

from tests.support.example import Example
from tests.support.postgres import free_port


def test_a_report_that_has_not_changed_is_one_mail(take: Callable[..., Example]) -> None:
    port = free_port()
    example = take("cron", MAILSVC_BIND=f"127.0.0.1:{port}")
    example.start("mailsvc serve", url=f"http://127.0.0.1:{port}/readyz")
    said = [example.run("./report.sh ops@app.test getent passwd") for _ in range(2)]

    assert said == ["", ""]  # cron would mail it
    assert example.run("mailsvc events").count("message.queued") == 1
