"""Follows messages after their submission, recipient by recipient."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from mailsvc import clock
from mailsvc.cli.client import Client
from mailsvc.cli.show import as_json_line, moment, one_line, plural
from mailsvc.domain.lifecycle import FINAL, Status

__all__ = ["Watch", "event_line"]

REACHED = frozenset({Status.SENT, Status.DELIVERED})
_SUBJECTS = ("recipient", "message_id", "submission_id", "name", "address", "url")  # what an event is about


class Watch:
    """Marks the position in the feed before the messages are submitted, so that none of their events is missed.

    Args:
        timeout: seconds after which it stops waiting for deliveries that are not final; None waits without limit.
    """

    def __init__(self, service: Client, *, as_json: bool, timeout: float | None) -> None:
        self._service = service
        self._as_json = as_json
        self._deadline = clock.monotonic() + timeout if timeout is not None else None
        self._begin = service.get("/v1/events", {"after": "now", "limit": 1})["next_cursor"]
        self._open: dict[str, str] = {}
        self._is_missed = False

    def until_final(self, messages: Sequence[dict[str, Any]], *, from_beginning: bool = False) -> bool:
        """Print each change of each delivery until all are final. Returns whether all recipients were reached.

        Args:
            messages: the responses to their submission.
            from_beginning: they are older than this watch (an idempotent replay).
        """
        self._open = {d["id"]: d["recipient"] for message in messages for d in message["deliveries"]}
        after = "beginning" if from_beginning else self._begin
        one = [("message", messages[0]["id"])] if len(messages) == 1 else []
        try:
            self._follow(after, [*one, ("type", "message.*")])
        except KeyboardInterrupt:
            click.echo(f"{plural(len(self._open), 'recipient')} not final yet; their mail is still sent", err=True)
            return False
        return not self._is_missed and not self._open

    def _follow(self, after: str, arguments: list[tuple[str, Any]]) -> None:
        if not self._open:
            return
        is_told = False
        for events in self._service.follow(after, arguments, patience=self._patience):
            for event in events:
                self._look_at(event)
            if not self._open:
                return
            if self._deadline is not None and clock.monotonic() >= self._deadline:
                click.echo(
                    f"stopped watching after --timeout: {plural(len(self._open), 'recipient')} not final yet", err=True
                )
                return
            if not events and not is_told:
                click.echo("no change for a while; mailsvc queue shows the reason", err=True)
                is_told = True

    def _patience(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - clock.monotonic())

    def _look_at(self, event: dict[str, Any]) -> None:
        data = event["data"]
        if data.get("delivery_id") not in self._open:
            return
        if self._as_json:
            as_json_line(event)
        else:
            click.echo(event_line(event))
        sys.stdout.flush()
        if data.get("status") in FINAL:
            self._is_missed |= data["status"] not in REACHED
            del self._open[data["delivery_id"]]


def event_line(event: dict[str, Any]) -> str:
    """Return an event's time, recipient or what else it is about, type, and the server's reply or another reason."""
    data = event["data"]
    smtp = data.get("smtp") or {}
    about = next((data[name] for name in _SUBJECTS if data.get(name)), "-")
    said = " ".join(str(part) for part in (smtp.get("code"), smtp.get("enhanced_code"), smtp.get("text")) if part)
    wrong = "; ".join(": ".join(filter(None, (error["field"], error["detail"]))) for error in data.get("errors") or ())
    why = said or str(data.get("reason") or wrong)
    what = event["type"].removeprefix("message.") if "recipient" in data else event["type"]
    return one_line(f"{moment(event['timestamp'])}  {about}  {what}  {why}")
