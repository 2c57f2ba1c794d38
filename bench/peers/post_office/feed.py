"""The application and its sender: ``send_many`` in batches, then the queue is sent until it is empty."""

import os
import time

from bench import mail
from bench.load.report import orders_from_arguments, report, wait_for_go

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.post_office.settings")

import django  # type: ignore[import-not-found,unused-ignore]

django.setup()

from django.core.management import call_command  # type: ignore[import-not-found,unused-ignore] # noqa: E402
from post_office import mail as post_office  # type: ignore[import-not-found,unused-ignore] # noqa: E402

_BATCH = 1000


def _submit(messages: int) -> None:
    for first in range(0, messages, _BATCH):
        post_office.send_many([_arguments(number) for number in range(first, min(first + _BATCH, messages))])


def _arguments(number: int) -> dict[str, object]:
    fields = mail.fields(number)
    return {
        "recipients": fields["to"],
        "sender": fields["from"],
        "subject": fields["subject"],
        "message": fields["text"],
        "html_message": fields["html"],
    }


if __name__ == "__main__":
    orders = orders_from_arguments()
    call_command("migrate", verbosity=0)
    wait_for_go()
    started_at = time.monotonic()
    _submit(orders["messages"])
    submitted_at = time.monotonic()
    call_command("send_queued_mail", processes=2, lockfile=orders["lockfile"])
    report({"started_at": started_at, "submitted_at": submitted_at})
