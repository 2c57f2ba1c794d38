"""examples/node-insert, as its README says."""

import shutil
from collections.abc import Callable

import pytest

from tests.support.example import Example
from tests.support.postgres import Postgres, free_port
from tests.support.waiting import wait_until


@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js is not installed: run .ci/system-packages")
def test_what_the_script_inserts_is_sent(take: Callable[..., Example], postgres: Postgres) -> None:
    url, port = postgres.fresh_database(), free_port()
    example = take(
        "node-insert",
        DATABASE_URL=url.replace("+psycopg", ""),
        MAILSVC_DATABASE_URL=url,
        MAILSVC_BIND=f"127.0.0.1:{port}",
    )
    example.start("mailsvc serve", url=f"http://127.0.0.1:{port}/readyz")
    example.run("npm ci")
    id_ = example.run('node order.js ok@sandbox.test "A teapot"').strip()

    wait_until(lambda: "ok@sandbox.test  sent" in example.run("mailsvc events"))
    assert f"{id_}  message.queued" in example.run("mailsvc events")
