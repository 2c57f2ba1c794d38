"""What the verdict on one recipient means for its delivery: the row that a transaction's result becomes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc import clock
from mailsvc.delivery.verdicts import Circumstances, given_back, given_up, outcome_of, smtp_of, smtp_of_trouble
from mailsvc.domain.attempt import Fate, Reply, Stage, Tls, Verdict
from mailsvc.domain.backoff import next_attempt
from mailsvc.domain.bounce import Bounce
from mailsvc.domain.lifecycle import Change, Status, follow
from mailsvc.outcomes.outcome import Outcome, Try
from mailsvc.smtp.trouble import RelayTrouble
from mailsvc.store.leases import DueDelivery

NOW = 1_700_000_000_000_000
TLS = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", True)
TOKEN = 7


def a_claim(attempts: int = 0) -> DueDelivery:
    return DueDelivery("dlv_1", "msg_1", "rly_1", "alice@example.test", attempts, TOKEN, False, None)


def seen(**given: Any) -> Circumstances:
    usual: dict[str, Any] = {"started_at": NOW - 5, "duration_ms": 3.5, "host": "mx.app.test", "tls": TLS}
    usual |= {"relay_id": "rly_1", "transaction": "dlv_1:7", "recipients": 1, "on_uncertain": "resend"}
    return Circumstances(**{**usual, "now": lambda: NOW, "chance": 0.5, **given})


def verdict(fate: Fate, stage: Stage = Stage.EOM, reply: Reply | None = None, text: str = "lost") -> Verdict:
    return Verdict(fate, stage, reply, reply.text if reply else text)


def judged(of: Verdict, *, attempts: int = 0, **given: Any) -> Outcome:
    return outcome_of(a_claim(attempts), of, seen(**given))


OK, NO, LATER = Reply(250, "2.0.0", "ok"), Reply(550, "5.1.1", "unknown user"), Reply(451, "4.3.0", "busy")


@pytest.mark.parametrize(
    ("fate", "reply", "on_uncertain", "change", "is_charged"),
    [
        (Fate.SENT,      OK,    "resend", Change.SENT,    True),
        (Fate.SENT,      OK,    "hold",   Change.SENT,    True),
        (Fate.BOUNCED,   NO,    "resend", Change.BOUNCE,  True),
        (Fate.BOUNCED,   NO,    "hold",   Change.BOUNCE,  True),
        (Fate.DEFERRED,  LATER, "resend", Change.DEFER,   True),
        (Fate.DEFERRED,  LATER, "hold",   Change.DEFER,   True),
        (Fate.DEFERRED,  None,  "hold",   Change.DEFER,   True),   # lost before the dot: certainly not delivered
        (Fate.UNCERTAIN, None,  "resend", Change.DEFER,   True),
        (Fate.UNCERTAIN, None,  "hold",   Change.GIVE_UP, True),
        (Fate.UNCERTAIN, None,  "verify", Change.DEFER,   True),
        (Fate.UNTRIED,   None,  "resend", Change.RETURN,  False),
        (Fate.UNTRIED,   None,  "hold",   Change.RETURN,  False),
    ],
)  # fmt: skip
def test_each_fate_is_one_change(
    fate: Fate, reply: Reply | None, on_uncertain: str, change: Change, is_charged: bool
) -> None:
    """Only what may be in a mailbox already asks whether its message allows a second try."""
    outcome = judged(verdict(fate, reply=reply), on_uncertain=on_uncertain)

    assert (outcome.change, outcome.tried is not None) == (change, is_charged)
    assert (outcome.delivery_id, outcome.lease_token) == ("dlv_1", TOKEN)


@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize("on_uncertain", ["resend", "hold", "verify"])
def test_only_what_is_uncertain_is_looked_up(fate: Fate, on_uncertain: str) -> None:
    """By the name of its transaction, whose deliveries share one copy."""
    outcome = judged(verdict(fate), on_uncertain=on_uncertain)

    assert outcome.verify == ("dlv_1:7" if (fate, on_uncertain) == (Fate.UNCERTAIN, "verify") else None)


@given(st.sampled_from(Fate), st.sampled_from(Stage), st.sampled_from(["resend", "hold", "verify"]), st.integers(0, 99))
def test_every_verdict_ends_the_claim(fate: Fate, stage: Stage, on_uncertain: str, attempts: int) -> None:
    """Whatever it is: a delivery that stayed at sending would wait for its lease to run out."""
    outcome = judged(verdict(fate, stage), on_uncertain=on_uncertain, attempts=attempts)
    status = follow(Status.SENDING, outcome.change)

    assert status not in (None, Status.SENDING)
    assert (outcome.due_at is not None) == (status in (Status.QUEUED, Status.DEFERRED))


@pytest.mark.parametrize("attempts", [0, 1, 5, 40])
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_a_deferral_waits_by_the_number_of_attempts(attempts: int, chance: float) -> None:
    """This one included."""
    outcome = judged(verdict(Fate.DEFERRED, reply=LATER), attempts=attempts, chance=chance)

    assert outcome.due_at == next_attempt(attempts + 1, now=NOW, chance=chance)


@pytest.mark.parametrize(("wait", "due_in"), [(0.0, 0), (1.5, 1_500_000), (60.0, clock.MINUTE)])
def test_what_was_not_tried_is_due_when_the_relay_may_be_asked_again(wait: float, due_in: int) -> None:
    """And shows meanwhile what keeps it."""
    outcome = judged(verdict(Fate.UNTRIED, Stage.CONNECT, text="connection refused"), wait=wait)

    assert outcome.due_at == NOW + due_in
    assert outcome.kept_by == smtp_of(Stage.CONNECT, None, "connection refused", "mx.app.test")


def test_what_was_not_tried_shows_the_reply_that_it_waits_for() -> None:
    """Such as that of a relay that takes fewer recipients at once."""
    too_many = Reply(452, "4.5.3", "too many recipients")
    outcome = judged(verdict(Fate.UNTRIED, Stage.RCPT, too_many))

    assert outcome.kept_by == smtp_of(Stage.RCPT, too_many, "", "mx.app.test")
    assert json.loads(outcome.kept_by or "")["code"] == 452


@pytest.mark.parametrize(
    ("of", "kept"),
    [
        (verdict(Fate.SENT, reply=OK),                             ("eom", 250, "2.0.0", "ok", "sent")),
        (verdict(Fate.BOUNCED, Stage.RCPT, NO),                    ("rcpt", 550, "5.1.1", "unknown user", "bounced")),
        (verdict(Fate.DEFERRED, Stage.BODY),                       ("body", None, None, "lost", "deferred")),
        (verdict(Fate.UNCERTAIN, text="no answer in time"),        ("eom", None, None, "no answer in time", "uncertain")),
        (verdict(Fate.BOUNCED, Stage.MAIL, text="5.6.7 needs it"), ("mail", None, "5.6.7", "needs it", "bounced")),
    ],
    ids=["sent", "refused", "lost", "silent", "refused by us"],
)  # fmt: skip
def test_the_attempt_keeps_what_was_said(of: Verdict, kept: tuple[Any, ...]) -> None:
    """Our own refusals begin with their enhanced code, as no reply came that has one."""
    tried = judged(of).tried

    assert tried == Try(NOW - 5, 3.5, *kept[:4], "rly_1", "mx.app.test", TLS, kept[4])


@pytest.mark.parametrize(
    ("stage", "reply", "recipients", "bounce"),
    [
        (Stage.RCPT, NO,                                1, ("hard", "mailbox_unknown")),
        (Stage.RCPT, NO,                                2, ("hard", "mailbox_unknown")),
        (Stage.RCPT, Reply(550, "5.1.1", "no"),         1, ("hard", "mailbox_unknown")),  # by its code alone
        (Stage.EOM,  NO,                                1, ("hard", "mailbox_unknown")),
        (Stage.EOM,  NO,                                2, ("soft", "other")),  # of which of them, nobody can tell
        (Stage.MAIL, NO,                                1, ("soft", "sender_rejected")),
        (Stage.EOM,  Reply(554, "5.7.1", "it is spam"), 2, ("soft", "spam_rejected")),
    ],
)  # fmt: skip
def test_a_bounce_says_whether_the_address_is_to_blame(
    stage: Stage, reply: Reply, recipients: int, bounce: tuple[str, str]
) -> None:
    """A hard one is never mailed again, so a doubt spares it."""
    outcome = judged(verdict(Fate.BOUNCED, stage, reply), recipients=recipients)

    assert outcome.bounce == Bounce(*bounce, "smtp", reply.enhanced_code, reply.code, reply.text)


def test_our_own_refusal_bounces_with_its_reason() -> None:
    outcome = judged(verdict(Fate.BOUNCED, Stage.MAIL, text="5.3.4 the message has 10 bytes"))

    assert outcome.bounce == Bounce("soft", "message_too_large", "smtp", "5.3.4", None, "the message has 10 bytes")


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.BOUNCED])
def test_nothing_but_a_bounce_has_a_reason_to_suppress(fate: Fate) -> None:
    assert judged(verdict(fate, reply=NO)).bounce is None


def test_a_claim_given_back_is_no_attempt() -> None:
    assert given_back(a_claim(), NOW) == Outcome("dlv_1", Change.RETURN, TOKEN, due_at=NOW)
    assert given_back(a_claim(), NOW, kept_by="{}").kept_by == "{}"


def test_a_claim_whose_worker_vanished_is_given_up_with_the_reason() -> None:
    """No reply can be shown: nobody heard it."""
    outcome = given_up(a_claim())

    assert (outcome.delivery_id, outcome.change, outcome.lease_token) == ("dlv_1", Change.GIVE_UP, TOKEN)
    assert (outcome.tried, outcome.due_at) == (None, None)
    assert outcome.why is not None and "vanished" in outcome.why


@pytest.mark.parametrize(
    ("trouble", "shown"),
    [
        (RelayTrouble(Stage.CONNECT, "connection refused"), ("connect", None, None, "connection refused")),
        (RelayTrouble(Stage.AUTH, "told apart", reply=Reply(535, "5.7.8", "bad login")), ("auth", 535, "5.7.8", "bad login")),
    ],
    ids=["without a reply", "with one"],
)  # fmt: skip
def test_trouble_is_shown_in_the_words_of_the_relay(trouble: RelayTrouble, shown: tuple[Any, ...]) -> None:
    """Where it said any."""
    said = dict(zip(("stage", "code", "enhanced_code", "text"), shown, strict=True))

    assert json.loads(smtp_of_trouble(trouble, "mx.app.test")) == {**said, "host": "mx.app.test"}
