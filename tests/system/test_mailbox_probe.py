"""What an operator does: asks what an account supports, and is told what to set."""

import json
import subprocess
import sys
from collections.abc import Callable

from mailsvc.mailaccess.account import Credentials
from tests.support.carrying import carrying
from tests.support.mailhost import HOST, PASSWORD, MailHost
from tests.support.postfix import Postfix
from tests.support.service import Service

RunService = Callable[..., Service]


def test_the_command_says_what_to_set(run_service: RunService, postfix: Postfix, mailhost: MailHost) -> None:
    """The probe's mails are listed as arrivals, and are no events."""
    mailhost.add_user("probe-me", PASSWORD)
    user = Credentials("probe-me", PASSWORD)
    service = run_service(relay_url=postfix.relay_url)
    box = {"name": "shop", "host": HOST, "port": mailhost.imaps, "ca_pem": mailhost.ca_pem, "relay": "default"}
    with service.client() as client:
        made = client.post("/v1/mailboxes", json=box | {"username": user.username, "password": PASSWORD})
        shown = client.get(f"/v1/mailboxes/{made.json()['id']}")
        while shown.json()["status"] != "active":
            shown = client.get(f"/v1/mailboxes/{made.json()['id']}")
        with carrying(postfix, mailhost, user, lambda stored: stored.raw, files=1):
            command = ["mailsvc", "mailbox", "probe", "shop", "--address", "shop@app.test", "--json"]
            asked = subprocess.run(
                [sys.executable, "-m", *command], env=service.environment() | {"MAILSVC_URL": service.url},
                capture_output=True, check=True, cwd=service.data_dir.parent,
            )  # fmt: skip
        arrived = client.get("/v1/inbound").json()["data"]
        events = client.get("/v1/events", params={"after": "beginning"}).json()["data"]

    assert json.loads(asked.stdout)["settings"]["on_uncertain"] == "verify"
    assert sum(one["subject"].startswith("mailsvc probe") for one in arrived) == 3
    assert [one["type"] for one in events if one["type"].startswith(("inbound", "message"))] == []
