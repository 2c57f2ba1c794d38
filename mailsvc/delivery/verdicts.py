"""From a transaction's verdicts to outcomes for the recorder. Pure: time and chance are arguments."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from mailsvc import clock
from mailsvc.domain.attempt import Fate, Reply, Stage, Tls, Verdict
from mailsvc.domain.backoff import next_attempt
from mailsvc.domain.bounce import Bounce
from mailsvc.domain.lifecycle import Change
from mailsvc.mime.refusal_meaning import meaning_of, own_words
from mailsvc.outcomes.outcome import Outcome, Try, smtp_json
from mailsvc.smtp.trouble import RelayTrouble

__all__ = [
    "Circumstances",
    "Claim",
    "given_back",
    "given_up",
    "outcome_of",
    "smtp_of_trouble",
    "to_verify",
    "transaction_of",
]


_VANISHED = "the worker that sent it vanished before it knew the result"


class Claim(Protocol):
    """A claimed delivery: a row that is leased."""

    @property
    def id(self) -> str: ...
    @property
    def lease_token(self) -> int: ...
    @property
    def attempts(self) -> int: ...


class Circumstances(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """When, where and how a transaction took place."""

    started_at: int
    duration_ms: float
    relay_id: str
    host: str
    tls: Tls | None
    transaction: str  # see ``transaction_of``
    recipients: int  # number in the transaction
    on_uncertain: str  # the message's setting: resend, hold or verify
    now: Callable[[], int]  # the queue's clock, read only if a delivery is to be due again
    chance: float
    wait: float = 0.0  # seconds before untried deliveries are due again


def transaction_of(delivery_id: str, lease_token: int) -> str:
    """The name of a transaction, from its first claim: every claim is in one transaction at most."""
    return f"{delivery_id}:{lease_token}"


def outcome_of(claim: Claim, verdict: Verdict, seen: Circumstances) -> Outcome:
    """The outcome of a delivery, from the verdict on its recipient."""
    if verdict.fate is Fate.UNTRIED:
        kept_by = smtp_of(verdict.stage, verdict.reply, verdict.text, seen.host)
        return given_back(claim, seen.now() + int(seen.wait * clock.SECOND), kept_by=kept_by)
    tried = _try(verdict, seen)
    if verdict.fate is Fate.SENT:
        return Outcome(claim.id, Change.SENT, claim.lease_token, tried)
    if verdict.fate is Fate.BOUNCED:
        return Outcome(claim.id, Change.BOUNCE, claim.lease_token, tried, _bounce(verdict, seen))
    if verdict.fate is Fate.UNCERTAIN and seen.on_uncertain == "hold":
        return Outcome(claim.id, Change.GIVE_UP, claim.lease_token, tried)
    due_at = next_attempt(claim.attempts + 1, now=seen.now(), chance=seen.chance)
    is_verified = verdict.fate is Fate.UNCERTAIN and seen.on_uncertain == "verify"
    verify = seen.transaction if is_verified else None
    return Outcome(claim.id, Change.DEFER, claim.lease_token, tried, due_at=due_at, verify=verify)


def given_back(claim: Claim, due_at: int, *, kept_by: str | None = None) -> Outcome:
    """The outcome of a claim that was not sent through no fault of the message: due again, no attempt charged."""
    return Outcome(claim.id, Change.RETURN, claim.lease_token, due_at=due_at, kept_by=kept_by)


def smtp_of(stage: Stage, reply: Reply | None, text: str, host: str) -> str:
    """The relay's reply, or what happened instead, as deliveries show it."""
    if reply is not None:
        return smtp_json(stage, reply.code, reply.enhanced_code, reply.text, host)
    return smtp_json(stage, None, None, text, host)


def smtp_of_trouble(trouble: RelayTrouble, host: str) -> str:
    """A relay's trouble, as the deliveries that wait for it show it."""
    return smtp_of(trouble.stage, trouble.reply, trouble.text, host)


def given_up(claim: Claim) -> Outcome:
    """The outcome of a claim whose worker vanished, for a message that must not be sent twice."""
    return Outcome(claim.id, Change.GIVE_UP, claim.lease_token, why=_VANISHED)


def to_verify(claim: Claim, relay_id: str, host: str, *, now: int) -> Outcome:
    """The outcome of a claim whose worker vanished, for a message that may be sent again if it is not in the Sent folder."""
    tried = Try(now, 0.0, Stage.EOM, None, None, _VANISHED, relay_id, host, None, Fate.UNCERTAIN)
    return Outcome(
        claim.id, Change.DEFER, claim.lease_token, tried, due_at=now, verify=transaction_of(claim.id, claim.lease_token)
    )


def _try(verdict: Verdict, seen: Circumstances) -> Try:
    reply = verdict.reply
    enhanced_code, text = (reply.enhanced_code, verdict.text) if reply else own_words(verdict.text)
    return Try(
        started_at=seen.started_at,
        duration_ms=seen.duration_ms,
        stage=verdict.stage,
        code=reply.code if reply else None,
        enhanced_code=enhanced_code,
        text=text,
        relay_id=seen.relay_id,
        host=seen.host,
        tls=seen.tls,
        outcome=verdict.fate,
    )


def _bounce(verdict: Verdict, seen: Circumstances) -> Bounce:
    meaning = meaning_of(verdict.stage, verdict.reply, verdict.text, recipients=seen.recipients)
    reply = verdict.reply
    enhanced_code, text = (reply.enhanced_code, verdict.text) if reply else own_words(verdict.text)
    return Bounce(meaning.type, meaning.reason, "smtp", enhanced_code, reply.code if reply else None, text)
