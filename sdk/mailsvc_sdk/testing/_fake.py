"""``FakeMail``: the service, in the process of a test."""

import base64
import fnmatch
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mailsvc_sdk import _interception as interception
from mailsvc_sdk._client import AsyncMailsvc, Mailsvc
from mailsvc_sdk._errors import TransportError
from mailsvc_sdk._exchange import Request, Response
from mailsvc_sdk._models.message import Message
from mailsvc_sdk._models.record import decode
from mailsvc_sdk.events import Event
from mailsvc_sdk.testing._acceptance import Acceptance
from mailsvc_sdk.testing._fates import Fates
from mailsvc_sdk.testing._hook import SignedRequest, signed_request
from mailsvc_sdk.testing._problem import Problem, answer
from mailsvc_sdk.testing._routes import Routes
from mailsvc_sdk.testing._sent import SentMail
from mailsvc_sdk.testing._state import State

if TYPE_CHECKING:
    from mailsvc_sdk.testing._transport import AsyncFakeTransport, FakeTransport

__all__ = ["FakeMail"]

# What becomes of a mail, step by step. The addresses of sandbox.test have the service's fates.
STEPS: Mapping[str, tuple[str, ...]] = {
    "sent": ("sent",),
    "deliver": ("sent", "deliver"),
    "bounce": ("bounce",),
    "later": ("sent", "bounce"),
    "defer": ("defer",),
    "recover": ("defer", "sent"),
    "delay": ("sent", "delay"),
    "complain": ("sent", "complain"),
    "reply": ("sent", "reply"),
    "auto_reply": ("sent", "auto_reply"),
    "hold": ("hold",),
    "expire": ("expire",),
    "cancel": ("cancel",),
    "suppress": ("suppress",),
    "unsubscribe": ("sent", "unsubscribe"),
    "queue": (),
}
SANDBOX = {"ok": "sent", "auto": "auto_reply", "defer": "recover"}
_WITHOUT_RECIPIENT = {"reply", "auto_reply"}


@dataclass(frozen=True, slots=True)
class _Failure:
    answer: Response | TransportError | Exception
    after_accepting: bool


class FakeMail(Fates):
    """Takes mail as the service does, keeps it in ``outbox``, and lets anything happen to it.

    As a context manager it answers every client of the process that was given no transport, made before or later.

    Args:
        secret: signs webhooks; by default, a new one.
        auto: whether mails that were accepted become ``sent`` at once.
    """

    def __init__(self, *, secret: str | None = None, auto: bool = True) -> None:
        self.secret = secret or "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        self.auto = auto
        self._state = State()
        self._routes = Routes(self._state, Acceptance(self._state, self._act_out), self)
        self._failures: list[_Failure] = []
        self._fates: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def outbox(self) -> list[SentMail]:
        """The mails in the order of their acceptance."""
        return self._state.outbox

    @property
    def messages(self) -> list[Message]:
        """The messages as the API shows them."""
        return [decode(Message, mail.document) for mail in self._state.outbox]

    @property
    def events(self) -> list[Event]:
        """Everything that happened."""
        return self._state.events

    def clear(self) -> None:
        """Forget all mails, events, fates and failures."""
        self._state.clear()
        self._failures.clear()
        self._fates.clear()

    def client(self, **options: Any) -> Mailsvc:
        """Return a client of this fake."""
        return Mailsvc("http://fake.test", api_key="fake", transport=self.transport, **options)

    def async_client(self, **options: Any) -> AsyncMailsvc:
        """Return a client of this fake for asyncio."""
        return AsyncMailsvc("http://fake.test", api_key="fake", transport=self.async_transport, **options)

    @property
    def transport(self) -> "FakeTransport":
        """For ``Mailsvc(transport=…)``."""
        from mailsvc_sdk.testing._transport import FakeTransport  # noqa: PLC0415 - imports the HTTP client

        return FakeTransport(self)

    @property
    def async_transport(self) -> "AsyncFakeTransport":
        """For ``AsyncMailsvc(transport=…)``."""
        from mailsvc_sdk.testing._transport import AsyncFakeTransport  # noqa: PLC0415 - imports the HTTP client

        return AsyncFakeTransport(self)

    def install(self) -> Self:
        """Answer every client that was given no transport."""
        interception.install(self)
        return self

    def uninstall(self) -> None:
        """Answer them no more."""
        interception.uninstall(self)

    def __enter__(self) -> Self:
        return self.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()

    def on(self, recipient: str, fate: str, **detail: Any) -> None:
        """Let the same become of every mail to an address.

        Args:
            recipient: an address, or a pattern such as ``*@example.test``.
            fate: ``bounce``, ``defer``, ``delay``, ``complain``, ``reply``, ``auto_reply``, ``hold``, ``deliver``, ``expire``,
                ``suppress``, ``sent``, or ``queue`` for none.
            detail: as of the method with this name.

        Raises ValueError for an unknown fate.
        """
        if fate not in STEPS:
            raise ValueError(f"{fate!r} is no fate: {', '.join(STEPS)}")
        self._fates.append((recipient.lower(), fate, detail))

    def fail(
        self,
        times: int = 1,
        *,
        status: int = 503,
        retry_after: float | None = None,
        error: Exception | None = None,
        after_accepting: bool = False,
    ) -> None:
        """Let the next requests fail.

        Args:
            error: instead of a response. ``mailsvc_sdk.ConnectionError`` and ``Timeout`` are tried again as usual.
            after_accepting: the request takes effect, but its response is lost.
        """
        problem = Problem(status, _CODES.get(status, "internal"), "FakeMail.fail")
        refused = answer(status, problem.document(), retry_after=retry_after)
        self._failures += [_Failure(error or refused, after_accepting)] * times

    def webhook(self, event: Event, *, secret: str | None = None, at: float | datetime | None = None) -> SignedRequest:
        """Return the request that the service would send for an event.

        Args:
            at: when it is signed; by default, now.
        """
        seconds = at.timestamp() if isinstance(at, datetime) else at
        return signed_request(event, secret or self.secret, time.time() if seconds is None else seconds)

    def respond(self, request: Request) -> Response | TransportError:
        """Answer a request."""
        failure = self._failures.pop(0) if self._failures else None
        if failure is None:
            return self._routes.answer(request)
        if failure.after_accepting:
            self._routes.answer(request)
        if isinstance(failure.answer, Response | TransportError):
            return failure.answer
        raise failure.answer

    def _act_out(self, mail: SentMail) -> None:
        for address in mail.recipients:
            if self._state.suppression_of(address, mail.tags) and not mail.draft.get("force"):
                self.suppress(mail, address)
            else:
                self._let_become(mail, address, *self._fate_of(mail, address))

    def _fate_of(self, mail: SentMail, address: str) -> tuple[str, dict[str, Any]]:
        for pattern, fate, detail in reversed(self._fates):
            if fnmatch.fnmatchcase(address.lower(), pattern):
                return fate, detail
        local, _, domain = address.lower().rpartition("@")
        if domain == "sandbox.test":
            return SANDBOX.get(local, local if local in STEPS else "sent"), {}
        return "sent" if self.auto and mail.status == "queued" else "queue", {}

    def _let_become(self, mail: SentMail, address: str, fate: str, detail: dict[str, Any]) -> None:
        for step in STEPS[fate]:
            told = detail if step == STEPS[fate][-1] else {}
            if step == "unsubscribe":
                self._state.suppress(address, reason=step, tag=mail.tags[0] if mail.tags else None)
            elif step in _WITHOUT_RECIPIENT:
                getattr(self, step)(mail, from_=address, **told)
            else:
                getattr(self, step)(mail, address, **told)


_CODES = {401: "unauthorized", 403: "insufficient_scope", 429: "rate_limited", 503: "unavailable"}
