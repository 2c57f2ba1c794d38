"""Batches: ``/v1/messages/batch``."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from mailsvc_sdk._call import call
from mailsvc_sdk._errors import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    FieldError,
    MailsvcError,
    PayloadTooLarge,
    PermissionDenied,
    TransportError,
    ValidationError,
)
from mailsvc_sdk._exchange import Operation, Request, Response
from mailsvc_sdk._models.message import Accepted, BatchResult
from mailsvc_sdk._models.record import decode
from mailsvc_sdk._operations.messages import new_key
from mailsvc_sdk._options import Options
from mailsvc_sdk._problems import error_class, field_errors
from mailsvc_sdk._sending.draft import Draft, canonical, draft
from mailsvc_sdk._sending.mime import is_mime
from mailsvc_sdk._sending.times import forbid_relative

__all__ = ["Progress", "send_batch"]

Progress: TypeAlias = Callable[[int, int | None], object]
Entry: TypeAlias = Accepted | MailsvcError
BatchMessage: TypeAlias = Draft | Mapping[str, Any]

LARGEST_CHUNK = 1000
LARGEST_BODY = 16 * 1024 * 1024
_ENDS_THE_BATCH = AuthenticationError, PermissionDenied, ConfigurationError


@dataclass(frozen=True, slots=True)
class Chunk:
    """Messages of one request, as JSON, and the key that it is sent under."""

    key: str
    entries: Sequence[bytes]
    atomic: bool = False

    def request(self) -> Request:
        """Return the request."""
        return Request(
            "POST",
            "/v1/messages/batch",
            (("atomic", "true"),) if self.atomic else (),
            {"Content-Type": "application/json"},
            b'{"messages":[' + b",".join(self.entries) + b"]}",
            self.key,
        )

    def halves(self) -> "list[Chunk]":
        """Return two chunks that hold the same."""
        middle = len(self.entries) // 2
        return [Chunk(f"{self.key}.{n}", part) for n, part in enumerate((self.entries[:middle], self.entries[middle:]))]


@dataclass(slots=True)
class _Encoded:
    """Encodes an iterable of messages, chunk by chunk."""

    messages: Iterator[BatchMessage]
    size: int
    own_key: str | None
    _left: list[bytes] = field(default_factory=list)

    def __iter__(self) -> Iterator[list[bytes]]:
        while entries := self._next():
            yield entries

    def _next(self) -> list[bytes]:
        self._left += [self._entry(message) for message in islice(self.messages, self.size - len(self._left))]
        count, total = 0, 0
        for entry in self._left:
            total += len(entry) + 1
            if count and total > LARGEST_BODY:
                break
            count += 1
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def _entry(self, message: BatchMessage) -> bytes:
        if is_mime(message) or not isinstance(message, Mapping):
            raise TypeError(f"a message of a batch is a mapping, not {type(message).__name__}: use send_raw")
        forbid_relative(message, self.own_key)
        return canonical(draft(message, {}))


def send_batch(
    options: Options,
    messages: Iterable[BatchMessage],
    *,
    atomic: bool = False,
    chunk_size: int = 500,
    idempotency_key: str | None = None,
    progress: Progress | None = None,
) -> Operation[BatchResult]:
    """Send many messages. Those that were accepted are on stable storage when this returns.

    Args:
        messages: mappings, as ``send`` takes them; read chunk by chunk.
        atomic: all or nothing, in one request.
        chunk_size: messages per request (1-1000).
        progress: is called with how many are done, and how many there are if ``messages`` has a length.

    Returns for each message what was accepted, or the error: one that is refused keeps none of the others back.

    Raises:
        AuthenticationError, PermissionDenied, ConfigurationError: at the first chunk.
        ValidationError: with ``atomic``, if one is refused.
        TypeError, ValueError, OSError: a message can't be turned into what the API takes. Chunks before it were sent.
    """
    if not 1 <= chunk_size <= LARGEST_CHUNK:
        raise ValueError(f"chunk_size must be from 1 to {LARGEST_CHUNK}")
    total = len(messages) if isinstance(messages, Sequence) else _length(messages)
    encoded = _Encoded(iter(messages), LARGEST_CHUNK if atomic else chunk_size, idempotency_key)
    key = idempotency_key or new_key()
    if atomic:
        return (yield from _send_atomic(options, encoded, key, progress))
    return (yield from _send_chunks(options, encoded, key, progress, total))


def _length(messages: Iterable[BatchMessage]) -> int | None:
    measure = getattr(messages, "__len__", None)
    return None if measure is None else int(measure())


def _send_atomic(options: Options, encoded: _Encoded, key: str, progress: Progress | None) -> Operation[BatchResult]:
    chunks = list(islice(encoded, 2))
    if len(chunks) > 1:
        raise ValueError(f"an atomic batch is one request: at most {LARGEST_CHUNK} messages and {LARGEST_BODY} bytes")
    entries: list[Entry] = []
    if chunks:
        chunk = Chunk(f"{key}:0", chunks[0], atomic=True)
        entries = _entries(chunk, (yield from call(options, chunk.request())))
    if progress:
        progress(len(entries), len(entries))
    return BatchResult(entries)


def _send_chunks(
    options: Options, encoded: _Encoded, key: str, progress: Progress | None, total: int | None
) -> Operation[BatchResult]:
    done: list[Entry] = []
    end: MailsvcError | None = None
    for number, entries in enumerate(encoded):
        if end is None:
            found = yield from _send_chunk(options, Chunk(f"{key}:{number}", entries))
            end = next((error for error in found if isinstance(error, _ENDS_THE_BATCH)), None)
            if end is not None and not done:
                raise end
        else:
            found = [end] * len(entries)
        done += found
        if progress:
            progress(len(done), total)
    if progress:
        progress(len(done), len(done) if total is None else total)
    return BatchResult(done)


def _send_chunk(options: Options, chunk: Chunk) -> Operation[list[Entry]]:
    try:
        response = yield from call(options, chunk.request())
    except PayloadTooLarge as error:
        if len(chunk.entries) == 1:
            return [error]
        first, second = chunk.halves()
        return [*(yield from _send_chunk(options, first)), *(yield from _send_chunk(options, second))]
    except ValidationError as error:
        return _refused(error, len(chunk.entries))
    except (APIError, TransportError) as error:
        return [error] * len(chunk.entries)
    return _entries(chunk, response)


def _entries(chunk: Chunk, response: Response) -> list[Entry]:
    common = {
        "replayed": response.headers.get("Idempotent-Replayed") == "true",
        "idempotency_key": chunk.key,
        "request_id": response.headers.get("X-Request-Id"),
    }
    return [
        decode(Accepted, entry, **common) if "id" in entry else _problem(index, entry, chunk)
        for index, entry in enumerate(response.json()["data"])
    ]


def _problem(index: int, entry: Mapping[str, Any], chunk: Chunk) -> APIError:
    return error_class(entry["status"])(
        status=entry["status"],
        code=entry["code"],
        title=entry.get("title", ""),
        detail=entry.get("detail", ""),
        request_id=entry.get("request_id"),
        idempotency_key=chunk.key,
        method="POST",
        path="/v1/messages/batch",
        body=entry,
        errors=tuple(_relative(index, error) for error in field_errors(entry)),
    )


def _relative(index: int, error: FieldError) -> FieldError:
    return FieldError(error.field.removeprefix(f"messages.{index}."), error.detail)


def _refused(error: ValidationError, count: int) -> list[Entry]:
    """Return the errors of the entries of a chunk of which none was taken."""
    return [_error_of_entry(error, index) for index in range(count)]


def _error_of_entry(error: ValidationError, index: int) -> ValidationError:
    prefix = f"messages.{index}"
    own = [entry for entry in error.errors if entry.field == prefix or entry.field.startswith(f"{prefix}.")]
    if not own:
        return error
    return ValidationError(
        status=error.status,
        code=error.code,
        title=error.title,
        detail="; ".join(entry.detail for entry in own),
        request_id=error.request_id,
        idempotency_key=error.idempotency_key,
        method=error.method,
        path=error.path,
        body=error.body,
        errors=tuple(_relative(index, entry) for entry in own),
    )
