"""Checks a mailbox on request: each step of a session, with what the server said. It changes nothing on the server."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mailsvc import clock
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.domain.mailbox import Mailbox
from mailsvc.imap.session import Session as ImapSession
from mailsvc.inbound.account import server_of
from mailsvc.inbound.login import AnotherToken, log_in
from mailsvc.mailaccess.account import Timeouts
from mailsvc.mailaccess.errors import MailAccessError, ProtocolViolation, Stage
from mailsvc.oauth.errors import OAuthError
from mailsvc.pop3.session import Session as Pop3Session
from mailsvc.runtime.error_log import log_error

__all__ = ["probe_mailbox"]

LONGEST = 28.0  # seconds for all steps together: the caller is waiting
PATIENCE = 5.0  # seconds for another process that renews the token
_TIMEOUTS = Timeouts(connect=10, tls=10, reply=10)
_STEPS = ("resolve", "connect", "tls", "login", "folder", "capabilities", "count")


def probe_mailbox(mailbox: Mailbox, tokens: AccessTokens) -> dict[str, Any]:
    """Open a session and close it again; takes at most half a minute.

    Returns:
        The object of POST /v1/mailboxes/{id}/check; its steps end at the first that fails.
    """
    try:
        return _probe(mailbox, tokens)
    except AnotherToken:
        return _probe(mailbox, tokens)  # that one is not refused again: at most one token a minute is renewed


def _probe(mailbox: Mailbox, tokens: AccessTokens) -> dict[str, Any]:
    report = _Report(mailbox)
    session: ImapSession | Pop3Session
    if mailbox.protocol == "imap":
        session = ImapSession(server_of(mailbox), timeouts=_TIMEOUTS)
    else:
        session = Pop3Session(server_of(mailbox), timeouts=_TIMEOUTS)
    watchdog = threading.Timer(LONGEST, session.close)
    watchdog.start()
    try:
        with session:
            _step_through(session, report, tokens)
    except AnotherToken:
        raise
    except (MailAccessError, OAuthError) as error:
        report.fail(error)
    except Exception as error:  # noqa: BLE001 - the report shows the same as the mailbox would
        log_error(error, mailbox=mailbox.name)
        report.fail(ProtocolViolation(Stage.CONNECT, f"unexpected: {type(error).__name__}"))
    finally:
        watchdog.cancel()
    return report.whole()


def _step_through(session: ImapSession | Pop3Session, report: "_Report", tokens: AccessTokens) -> None:
    mailbox = report.mailbox
    session.open(report.opened)
    report.done("login", log_in(session, mailbox, tokens, patience=PATIENCE) or f"logged in as {mailbox.username}")
    if isinstance(session, ImapSession):
        folder = session.examine(mailbox.folder)
        report.done("folder", f"{folder.name}, UIDVALIDITY {folder.uidvalidity}")
        report.offers(sorted(session.capabilities))
        report.counted(folder.exists)
        with suppress(MailAccessError):
            session.logout()
    else:
        report.done("folder", "INBOX, the only one of POP3")
        report.offers(list(session.capabilities.lines) if session.capabilities else [])
        report.counted(session.stat()[0])
        with suppress(MailAccessError):
            session.quit()


@dataclass
class _Report:
    mailbox: Mailbox
    steps: list[dict[str, Any]] = field(default_factory=list)
    tls: dict[str, Any] | None = None
    capabilities: list[str] = field(default_factory=list)
    messages: int | None = None
    began: float = field(default_factory=clock.monotonic)
    step_began: float = field(default_factory=clock.monotonic)

    def opened(self, stage: Stage, detail: str) -> None:
        """A stage of opening the session is done."""
        if stage is Stage.TLS:
            version, _, cipher = detail.partition(" ")
            self.tls = {"version": version, "cipher": cipher, "verified": self.mailbox.verify}
        if stage in (Stage.RESOLVE, Stage.CONNECT, Stage.TLS):
            self.done(stage.value, detail)

    def done(self, name: str, detail: str, *, ok: bool = True) -> None:
        now = clock.monotonic()
        self.steps.append({"name": name, "ok": ok, "detail": detail, "duration_ms": _ms(now - self.step_began)})
        self.step_began = now

    def offers(self, capabilities: list[str]) -> None:
        self.capabilities = capabilities
        self.done("capabilities", ", ".join(capabilities) or "the server does not tell any")

    def counted(self, messages: int) -> None:
        self.messages = messages
        self.done("count", "1 message" if messages == 1 else f"{messages} messages")

    def fail(self, error: Exception) -> None:
        """The step that was under way failed."""
        self.done(self._next(), str(error), ok=False)

    def whole(self) -> dict[str, Any]:
        return {
            "ok": all(step["ok"] for step in self.steps),
            "steps": self.steps,
            "tls": self.tls,
            "capabilities": self.capabilities,
            "messages": self.messages,
            "duration_ms": _ms(clock.monotonic() - self.began),
        }

    def _next(self) -> str:
        passed = {step["name"] for step in self.steps} | ({"tls"} if self.mailbox.tls == "none" else set())
        return next(name for name in _STEPS if name not in passed)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
