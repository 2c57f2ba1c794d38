"""``mailsvc send``: submit messages, and follow their deliveries."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mailsvc.cli.client import Client, Refused, Reply
from mailsvc.cli.follow import Watch
from mailsvc.cli.message_input import Letter, letter_of, members
from mailsvc.cli.options import with_service
from mailsvc.cli.show import as_json_line, one_line

BATCH = 1000  # messages in one request
SHOWN_RECIPIENTS = 3
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "send",
    epilog="Example: mailsvc send --from shop@app.test --to alice@example.test --subject Hi --text Hello --follow",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path), required=False)
@click.option("--from", "sender", metavar="ADDRESS", help="The author, e.g. 'Shop <orders@app.test>'.")
@click.option("--to", multiple=True, metavar="ADDRESS", help="A recipient; may be repeated, like --cc and --bcc.")
@click.option("--cc", multiple=True, metavar="ADDRESS")
@click.option("--bcc", multiple=True, metavar="ADDRESS")
@click.option("--reply-to", multiple=True, metavar="ADDRESS")
@click.option("--subject")
@click.option("--text", help="The plain text; - reads it from stdin.")
@click.option("--html", help="The HTML text.")
@click.option("--attach", "files", multiple=True, type=_file, help="A file to attach; may be repeated.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A further header field; may be repeated."
)
@click.option("--tag", "tags", multiple=True)
@click.option("--metadata", multiple=True, metavar="NAME=VALUE")
@click.option("--relay", metavar="NAME|ID", help="The relay (default: the app's default).")
@click.option("--priority", type=click.Choice(["high", "normal", "low"]))
@click.option(
    "--on-uncertain",
    type=click.Choice(["resend", "hold"]),
    help="If the connection is lost before the server confirms: send again, or hold.",
)
@click.option("--at", "scheduled_at", metavar="TIME", help="Send no earlier than this, e.g. 2030-01-31T12:00:00Z.")
@click.option("--expires-in", type=int, metavar="SECONDS", help="Give up after this time.")
@click.option("--idempotency-key", metavar="TEXT", help="Repeating the command with the same key does not send twice.")
@click.option("--follow", is_flag=True, help="Print each recipient's status changes until all are final.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop following after this time.")
@with_service
def command(
    service: Client,
    /,
    file: Path | None,
    idempotency_key: str | None,
    follow: bool,
    timeout: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Send a message from options, FILE or stdin.

    FILE holds JSON as POST /v1/messages takes it (one message, a list, or one message per line), or a finished message
    (RFC 5322). If FILE is -, or nothing is given, stdin is read instead. Options override the JSON. A finished message
    takes only --from and --to (its envelope), --relay, --tag, --metadata, --at, --expires-in, --priority and
    --on-uncertain. With --to but without FILE, --text and --html, the text is read from stdin.

    Prints the id of each message. With --follow, prints a line per recipient and status change. Exit code 1 if a message
    was rejected, or if a followed recipient was not reached.
    """
    letter = _read(file, options)
    if letter.raw is None and len(letter.messages) > BATCH and idempotency_key is not None:
        raise click.UsageError(f"--idempotency-key works with at most {BATCH} messages")
    watch = Watch(service, as_json=as_json, timeout=timeout) if follow else None
    replies = _hand_in(service, letter, idempotency_key)
    entries = [entry for reply in replies for entry in _entries(reply)]
    _show(entries, as_json=as_json, is_batch=len(letter.messages) > 1)
    is_refused = any("code" in entry for entry in entries)
    if watch is not None:
        is_replayed = any("idempotent-replayed" in reply.headers for reply in replies)
        is_refused |= not watch.until_final([e for e in entries if "code" not in e], from_beginning=is_replayed)
    if is_refused:
        sys.exit(1)


def _read(file: Path | None, options: dict[str, Any]) -> Letter:
    given = members(options)
    has_body = "text" in given or "html" in given
    if given.get("text") == "-":
        given["text"] = _stdin().decode("utf-8", "replace")
    if file is not None:
        return letter_of(_stdin() if str(file) == "-" else file.read_bytes(), given)
    if not has_body and "to" in given and not sys.stdin.isatty():
        return letter_of(None, {**given, "text": _stdin().decode("utf-8", "replace")})
    if not given:
        if sys.stdin.isatty():
            raise click.UsageError("nothing to send: give --from, --to, --subject and --text, or a FILE")
        return letter_of(_stdin(), given)
    return letter_of(None, given)


def _stdin() -> bytes:
    content = sys.stdin.buffer.read()
    if not content.strip():
        raise click.UsageError("stdin is empty")
    return content


def _hand_in(service: Client, letter: Letter, idempotency_key: str | None) -> list[Reply]:
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    if letter.raw is not None:
        raw = {**headers, "Content-Type": "message/rfc822"}
        return [service.call("POST", "/v1/messages", content=letter.raw, arguments=letter.arguments, headers=raw)]
    if len(letter.messages) == 1:
        return [service.call("POST", "/v1/messages", content=_encode(letter.messages[0]), headers=headers)]
    replies = []
    for start in range(0, len(letter.messages), BATCH):
        body = _encode({"messages": letter.messages[start : start + BATCH]})
        try:
            replies.append(service.call("POST", "/v1/messages/batch", content=body, headers=headers))
        except Refused as refusal:
            if not start:
                raise
            replies.append(Reply(refusal.status, {}, b"", {"data": [refusal.problem]}))
    return replies


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def _entries(reply: Reply) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = reply.json.get("data", [reply.json])
    return found


def _show(entries: Sequence[dict[str, Any]], *, as_json: bool, is_batch: bool) -> None:
    if as_json:
        as_json_line({"data": entries} if is_batch else entries[0])
        return
    for number, entry in enumerate(entries):
        if "code" in entry:
            click.echo(f"Error: message {number}: {one_line(entry['detail'])}", err=True)
            continue
        recipients = [delivery["recipient"] for delivery in entry["deliveries"]]
        more = f" and {len(recipients) - SHOWN_RECIPIENTS} more" if len(recipients) > SHOWN_RECIPIENTS else ""
        click.echo(f"{entry['id']}  {entry['status']}  {one_line(', '.join(recipients[:SHOWN_RECIPIENTS]))}{more}")
