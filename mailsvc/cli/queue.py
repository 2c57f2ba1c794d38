"""``mailsvc queue``: the waiting deliveries, their age, and their next attempts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import click

from mailsvc.cli.client import Client
from mailsvc.cli.figures import read_figures
from mailsvc.cli.options import with_service
from mailsvc.cli.show import age, as_json_line, moment, one_line, plural, since, table
from mailsvc.domain.lifecycle import FINAL, Status

_WAITING = [status.value for status in Status if status not in FINAL]
_ORDER = {status: number for number, status in enumerate(_WAITING)}


@dataclass(slots=True)
class _Group:
    """The deliveries of one relay in one state."""

    relay: str
    status: str
    deliveries: int = 0
    oldest: str = "9999"
    next_attempts: list[str] = field(default_factory=list)

    def add(self, message: dict[str, Any], delivery: dict[str, Any]) -> None:
        self.deliveries += 1
        self.oldest = min(self.oldest, message["created_at"])
        if delivery["next_attempt_at"]:
            self.next_attempts = [min([*self.next_attempts, delivery["next_attempt_at"]])]

    def shown(self) -> dict[str, Any]:
        return {
            "relay": self.relay,
            "status": self.status,
            "deliveries": self.deliveries,
            "oldest_created_at": self.oldest,
            "oldest_age_seconds": round(since(self.oldest), 1),
            "next_attempt_at": next(iter(self.next_attempts), None),
        }


@click.command("queue", epilog="Example: mailsvc queue")
@click.option(
    "--next",
    "upcoming",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many upcoming attempts to list.",
)
@click.option(
    "--most", type=click.IntRange(min=1), default=5000, show_default=True, help="Read at most this many messages."
)
@with_service
def command(service: Client, upcoming: int, most: int, as_json: bool) -> None:
    """Show the queue: deliveries per relay and status, the oldest one, and the next attempts.

    The first line counts the whole service (from /metrics). The tables cover the unfinished messages of this key's app,
    the newest --most of them.
    """
    figures = _figures(service)
    waiting, is_cut = _waiting(service, most)
    groups = _grouped(waiting)
    attempts = _upcoming(waiting, upcoming)
    troubles = [r for r in service.pages("/v1/relays") if r["status"] != "active" or not r["enabled"]]
    if as_json:
        relays = [
            {name: r[name] for name in ("name", "enabled", "status", "status_reason", "retry_at")} for r in troubles
        ]
        as_json_line({"total": figures, "groups": groups, "next": attempts, "relays": relays, "is_partial": is_cut})
        return
    _show(figures, groups, attempts)
    if is_cut:
        click.echo(f"\nThe tables cover the newest {most:,} waiting messages; raise --most to see more.")
    _show_troubles(troubles)


def _figures(service: Client) -> dict[str, float]:
    found = read_figures(service.call("GET", "/metrics").content.decode("utf-8", "replace"))
    states = {
        state: int(found.get(f'mailsvc_queue_deliveries{{state="{state}"}}', 0)) for state in ("due", "later", "held")
    }
    oldest = found.get("mailsvc_queue_oldest_age_seconds", 0.0)
    return {**states, "oldest_due_seconds": round(oldest, 1), "webhooks": int(found.get("mailsvc_webhook_backlog", 0))}


def _waiting(service: Client, most: int) -> tuple[list[tuple[dict[str, Any], dict[str, Any]]], bool]:
    statuses = [("status", status) for status in _WAITING]
    messages = list(service.pages("/v1/messages", statuses, most=most + 1))
    pairs = [(m, d) for m in messages[:most] for d in m["deliveries"] if d["status"] in _ORDER]
    return pairs, len(messages) > most


def _grouped(waiting: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], _Group] = {}
    for message, delivery in waiting:
        key = (message["relay"], delivery["status"])
        groups.setdefault(key, _Group(*key)).add(message, delivery)
    return [groups[key].shown() for key in sorted(groups, key=lambda k: (k[0], _ORDER[k[1]]))]


def _upcoming(waiting: Iterable[tuple[dict[str, Any], dict[str, Any]]], most: int) -> list[dict[str, Any]]:
    timed = [(message, delivery) for message, delivery in waiting if delivery["next_attempt_at"]]
    timed.sort(key=lambda pair: pair[1]["next_attempt_at"])
    return [
        {"message_id": m["id"], "relay": m["relay"], **{n: d[n] for n in ("recipient", "status", "attempts", "next_attempt_at", "last_smtp")}}
        for m, d in timed[:most]
    ]  # fmt: skip


def _show(figures: dict[str, float], groups: list[dict[str, Any]], attempts: list[dict[str, Any]]) -> None:
    total = int(figures["due"] + figures["later"] + figures["held"])
    if not total:
        click.echo("The queue is empty.")
    else:
        oldest = f" (the oldest for {age(figures['oldest_due_seconds'])})" if figures["due"] else ""
        click.echo(
            f"{plural(total, 'delivery', 'deliveries')} waiting: {figures['due']:,} due now{oldest}, "
            f"{figures['later']:,} later, {figures['held']:,} held."
        )
    if figures["webhooks"]:
        click.echo(f"{plural(int(figures['webhooks']), 'event')} waiting to be posted to webhooks.")
    if groups:
        click.echo()
        columns = ("RELAY", "STATE", "DELIVERIES", "OLDEST", "NEXT ATTEMPT")
        table(
            columns, [(g["relay"], g["status"], g["deliveries"], age(g["oldest_age_seconds"]), _due(g)) for g in groups]
        )
    if attempts:
        click.echo("\nNext attempts:")
        columns = ("WHEN", "RECIPIENT", "MESSAGE", "ATTEMPTS", "LAST REPLY")
        table(columns, [(_due(a), a["recipient"], a["message_id"], a["attempts"], _answer(a)) for a in attempts])


def _show_troubles(relays: list[dict[str, Any]]) -> None:
    for relay in relays:
        if not relay["enabled"]:
            click.echo(f"\nRelay {relay['name']} is disabled")
            continue
        state = relay["status"].replace("_", " ")
        until = f", next session at {moment(relay['retry_at'])}" if relay["status"] == "backing_off" else ""
        reason = f": {one_line(relay['status_reason'])}" if relay["status_reason"] else ""
        click.echo(f"\nRelay {relay['name']} is {state}{until}{reason}")


def _due(entry: dict[str, Any]) -> str | None:
    if entry["next_attempt_at"] is None:
        return None
    seconds = -since(entry["next_attempt_at"])
    return f"in {age(seconds)}" if seconds > 0 else "now"


def _answer(entry: dict[str, Any]) -> str | None:
    said = entry["last_smtp"]
    return " ".join(str(said[part]) for part in ("code", "enhanced_code", "text") if said[part]) if said else None
