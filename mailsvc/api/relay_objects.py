"""The JSON objects for relays, changes to them and checks of them."""

from typing import Literal

import msgspec

from mailsvc.apps.relay_form import NewRelay, RelayTimeouts

__all__ = ["PauseRelay", "RelayChanges", "RelayCheck", "RelayList", "RelayObject", "TlsFacts"]


class RelayObject(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A relay as it is shown: secrets are masked."""

    id: str
    name: str
    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"]
    verify: bool
    ca_pem: str | None
    username: str | None
    password: Literal["********"] | None
    auth: str
    oauth: Literal["********"] | None
    max_connections: int
    max_messages_per_connection: int
    max_recipients: int
    pipelining: Literal["auto", "off"]
    rate: str | None
    return_path: str | None
    verp: bool
    dsn: bool
    ehlo: str | None
    reply_token: bool
    unsubscribe_mailbox: str | None
    file_sent: bool
    default: bool
    enabled: bool
    managed: bool
    timeouts: RelayTimeouts
    status: Literal["active", "backing_off", "paused"]
    status_reason: str | None
    retry_at: str | None
    last_error: str | None
    created_at: str
    updated_at: str


class RelayList(msgspec.Struct):
    """A page of relays, newest first."""

    data: list[RelayObject]
    next_cursor: str | None


RelayChanges = msgspec.defstruct(
    "RelayChanges",
    [
        (field.name, field.type | None | msgspec.UnsetType, msgspec.UNSET)  # null resets it to its default
        for field in msgspec.structs.fields(NewRelay)
    ],
    kw_only=True,
    namespace={"__doc__": "A JSON merge patch: members that are given change, null resets to the default."},
)


class PauseRelay(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v1/relays/{id}/pause, which may also be empty."""

    reason: str | None = None


class CheckStep(msgspec.Struct):
    """One step of the session."""

    stage: str
    ok: bool
    detail: str


class TlsFacts(msgspec.Struct):
    """The TLS session that was negotiated."""

    version: str
    cipher: str
    verified: bool


class RelayCheck(msgspec.Struct):
    """The result of connecting to a relay and logging in."""

    ok: bool
    steps: list[CheckStep]
    tls: TlsFacts | None
    capabilities: list[str]
    duration_ms: float
