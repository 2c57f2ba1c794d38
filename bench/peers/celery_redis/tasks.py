"""The Celery application: a task builds a mail and hands it to the sink."""

import os
import smtplib
import ssl
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formatdate
from typing import Any

from celery import Celery  # type: ignore[import-not-found,unused-ignore] # in the peers' venv only

_REUSE = os.environ.get("BENCH_REUSE") == "1"
_context = ssl.create_default_context()
_connections: list[smtplib.SMTP] = []

app = Celery("bench", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_reject_on_worker_lost=True,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


def _send(mail: dict[str, Any]) -> None:
    # The old classes: three times as fast as EmailMessage, and what Flask-Mail uses.
    message = MIMEMultipart("alternative")
    message["From"], message["To"], message["Subject"] = (mail["from"], mail["to"], mail["subject"])
    message["Date"], message["Message-ID"] = formatdate(), mail["message_id"]
    message.attach(MIMEText(mail["text"], "plain", "utf-8"))
    message.attach(MIMEText(mail["html"], "html", "utf-8"))
    envelope = (mail["sender_address"], [mail["to"]], message.as_bytes())
    if _REUSE:
        _connections[:] = _connections or [_connect()]
        _connections[0].sendmail(*envelope)
        return
    with _connect() as connection:
        connection.sendmail(*envelope)


def _connect() -> smtplib.SMTP:
    # A name given spares a DNS question for each connection.
    connection = smtplib.SMTP("127.0.0.1", int(os.environ["BENCH_SINK_PORT"]), local_hostname="bench.app.test")
    connection.starttls(context=_context)
    connection.login(os.environ["BENCH_USERNAME"], os.environ["BENCH_PASSWORD"])
    return connection


send = app.task(_send, name="bench.send")
