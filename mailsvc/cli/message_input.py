"""The input of ``mailsvc send``: messages from options, a file or stdin."""

import base64
import json
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

__all__ = ["Letter", "letter_of", "members"]

_AS_THEY_ARE = ("subject", "text", "html", "relay", "priority", "on_uncertain", "scheduled_at", "expires_in")
_LISTS = ("to", "cc", "bcc", "reply_to", "tags")
# The options for a finished message, as query parameters of the API.
_OF_MAIL = ("from", "relay", "priority", "on_uncertain", "scheduled_at", "expires_in")
_LISTS_OF_MAIL = {"to": "to", "tags": "tag"}


@dataclass(frozen=True, slots=True)
class Letter:
    """JSON messages or one finished message, with the parameters for its envelope and handling."""

    messages: tuple[dict[str, Any], ...] = ()
    raw: bytes | None = None
    arguments: tuple[tuple[str, str], ...] = ()


def letter_of(content: bytes | None, given: dict[str, Any]) -> Letter:
    """Return the letter for the content of a file and the options.

    Args:
        content: JSON (a message, a list of them, ``{"messages": […]}``, or one per line) or a message as in RFC 5322;
            None if there are only options.
        given: members of a message object; they override those of a JSON file, and set a finished message's envelope
            and handling.

    Raises:
        click.UsageError: the content is neither, or the options can't be used with it.
    """
    if content is None:
        return Letter(messages=(given,))
    if content.lstrip()[:1] in (b"{", b"["):
        return Letter(messages=tuple({**message, **given} for message in _parse(content)))
    unfit = sorted(set(given) - {*_OF_MAIL, *_LISTS_OF_MAIL, "metadata"})
    if unfit:
        raise click.UsageError(f"a finished message has its own {', '.join(unfit)}; leave these options out")
    return Letter(raw=content, arguments=tuple(_arguments(given)))


def _arguments(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _OF_MAIL:
        if name in given:
            yield name, str(given[name])
    for name, argument in _LISTS_OF_MAIL.items():
        yield from ((argument, value) for value in given.get(name, ()))
    yield from ((f"metadata.{name}", value) for name, value in given.get("metadata", {}).items())


def members(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a message object for these options; options that were not given are left out."""
    given = {"from": options["sender"], **{name: options[name] for name in _AS_THEY_ARE}}
    found = {name: value for name, value in given.items() if value is not None}
    found |= {name: list(options[name]) for name in _LISTS if options[name]}
    headers = _pairs(options["headers"], ":", "--header takes NAME:VALUE")
    metadata = _pairs(options["metadata"], "=", "--metadata takes NAME=VALUE")
    if headers:
        found["headers"] = {name: [value for key, value in headers if key == name] for name, _ in headers}
    if metadata:
        found["metadata"] = _once(metadata)
    if options["files"]:
        found["attachments"] = [_attachment(path) for path in options["files"]]
    return found


def _parse(content: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(content)
    except ValueError as whole:
        try:
            value = [json.loads(line) for line in content.splitlines() if line.strip()]
        except ValueError:
            raise click.UsageError(f"the message is not JSON: {whole}") from None
    if isinstance(value, dict) and set(value) == {"messages"}:
        value = value["messages"]
    messages = value if isinstance(value, list) else [value]
    if not messages or not all(isinstance(message, dict) for message in messages):
        raise click.UsageError("the JSON must be a message object or a list of them")
    return messages


def _pairs(texts: tuple[str, ...], mark: str, rule: str) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, found, value = text.partition(mark)
        if not found or not name.strip():
            raise click.UsageError(f"{rule}, not {text!r}")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise click.UsageError(f"--metadata names {name!r} twice; give it one value")
        found[name] = value
    return found


def _attachment(path: Path) -> dict[str, str]:
    kind, encoding = mimetypes.guess_type(path.name)
    return {
        "filename": path.name,
        "content_type": kind if kind and not encoding else "application/octet-stream",
        "content": base64.b64encode(path.read_bytes()).decode(),
    }
