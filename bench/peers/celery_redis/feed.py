"""The application: hands every mail to Celery, one ``apply_async`` each over one pooled broker connection."""

import time

from bench import mail
from bench.load.report import orders_from_arguments, report, wait_for_go
from bench.peers.celery_redis.tasks import app, send


def _feed(messages: int) -> dict[str, float]:
    started_at, cpu = time.monotonic(), time.process_time()
    with app.producer_or_acquire() as producer:
        for number in range(messages):
            fields = {
                **mail.fields(number),
                "to": mail.recipient(number),
                "sender_address": mail.SENDER_ADDRESS,
                "message_id": f"<{number}@bench.app.test>",
            }
            send.apply_async((fields,), producer=producer)
    return {"started_at": started_at, "ended_at": time.monotonic(), "cpu_s": time.process_time() - cpu}


if __name__ == "__main__":
    orders = orders_from_arguments()
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=3)
    wait_for_go()
    report(_feed(orders["messages"]))
