"""Signed webhooks become events; anything else is a SignatureError."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Reference

from mailsvc_sdk import Bounce, SignatureError, webhooks
from mailsvc_sdk.events import MessageBounced, SuppressionAdded, UnknownEvent, parse

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
NOW = 1_700_000_000
BOUNCED = {
    "id": "evt_1",
    "type": "message.bounced",
    "timestamp": "2030-01-01T00:00:00Z",
    "sequence": 3,
    "data": {
        "message_id": "msg_1",
        "recipient": "alice@example.test",
        "tags": ["receipt"],
        "metadata": {"order": "17"},
        "bounce": {"type": "hard", "reason": "mailbox_unknown"},
        "smtp": {"stage": "rcpt", "code": 550},
    },
}
BODY = json.dumps(BOUNCED).encode()


def signed(body: bytes = BODY, secret: str = SECRET, at: int = NOW, **headers: str) -> dict[str, str]:
    usual = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(at),
        "webhook-signature": webhooks.sign(body, "evt_1", at, secret),
    }
    return usual | {f"webhook-{name}": value for name, value in headers.items()}


def reason(body: bytes | str = BODY, headers: Any = None, **more: Any) -> str:
    with pytest.raises(SignatureError) as refused:
        webhooks.verify(body, signed() if headers is None else headers, SECRET, now=NOW, **more)
    return refused.value.reason


def test_a_signed_body_is_a_typed_event() -> None:
    event = webhooks.verify(BODY, signed(), SECRET, now=NOW)

    match event:
        case MessageBounced(recipient="alice@example.test", bounce=Bounce(type="hard")):
            assert (event.metadata, event.smtp.code, event.subject) == ({"order": "17"}, 550, None)
        case _:
            pytest.fail(repr(event))


def test_the_public_vector_of_standard_webhooks_holds() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    webhooks.verify_signature(body, headers, secret, now=1614265330)
    with pytest.raises(SignatureError) as refused:
        webhooks.verify(body, headers, secret, now=1614265330)
    assert refused.value.reason == "body"


def test_the_reference_library_agrees() -> None:
    assert (
        Reference(SECRET).sign("evt_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
        == signed()["webhook-signature"]
    )


def test_one_of_several_secrets_and_signatures_must_fit() -> None:
    both = f"{signed(secret=OTHER)['webhook-signature']} v9,? {signed()['webhook-signature']}"

    assert webhooks.verify(BODY, signed(signature=both), SECRET, now=NOW).id == "evt_1"
    assert webhooks.verify(BODY, signed(), [OTHER, SECRET], now=NOW).id == "evt_1"
    assert reason(headers=signed(secret=OTHER)) == "no_match"
    assert reason(headers=signed(signature="v2,abc")) == "no_match"
    assert reason(headers=signed(signature="v1,AAAA " * 32 + signed()["webhook-signature"])) == "no_match"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "missing_header"),
        (signed(timestamp="1e9"), "malformed_header"),
        (signed(timestamp="١٧"), "malformed_header"),
        (signed(timestamp="1" * 13), "malformed_header"),
        (signed(signature="v1,???"), "malformed_header"),
        ([*signed().items(), ("Webhook-Id", "evt_1")], "malformed_header"),
        (signed(at=NOW - 301), "too_old"),
        (signed(at=NOW + 301), "too_new"),
    ],
)
def test_headers_that_do_not_fit_have_a_reason(headers: Any, expected: str) -> None:
    assert reason(headers=headers) == expected


def test_names_of_headers_have_no_case_and_may_be_bytes() -> None:
    raw = [(name.title().encode(), value.encode()) for name, value in signed().items()]

    assert webhooks.verify(BODY, raw, SECRET, now=NOW).id == "evt_1"
    assert webhooks.verify(BODY.decode(), dict(raw), SECRET, now=NOW).id == "evt_1"


def test_a_changed_body_does_not_fit() -> None:
    assert reason(BODY + b" ") == "no_match"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"type": 1}', b"[" * 100_000, b'{"type":"x","id":"y","timestamp":"?"}']
)
def test_a_signed_body_that_is_no_event_is_told(body: bytes) -> None:
    assert reason(body, signed(body)) == "body"


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!", "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_" + "A" * 200]
)
def test_a_wrong_secret_is_the_operators_mistake(secret: str) -> None:
    with pytest.raises(ValueError) as raised:
        webhooks.verify(BODY, signed(), secret, now=NOW)
    assert not isinstance(raised.value, SignatureError)


TEXTS = st.text(max_size=40) | st.sampled_from(["v1,AAAA", "1700000000", "evt_1"])


@given(
    body=st.binary() | st.text(),
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x"]), TEXTS | st.binary()
    ),
)
def test_no_input_raises_anything_else(body: bytes | str, headers: dict[str, Any]) -> None:
    with pytest.raises(SignatureError):
        webhooks.verify(body, headers, SECRET, now=NOW)


def test_an_event_of_an_unknown_type_keeps_its_data() -> None:
    event = parse({"id": "evt_1", "type": "moon.rose", "timestamp": "2030-01-01T00:00:00Z", "data": {"a": 1}})

    assert (type(event), event.data, event.extra) == (UnknownEvent, {"a": 1}, {"a": 1})


def test_a_suppressions_own_id_is_not_the_events() -> None:
    data = {"id": "sup_1", "address": "a@x.test", "reason": "manual"}
    event = parse({"id": "evt_1", "type": "suppression.added", "timestamp": "2030-01-01T00:00:00Z", "data": data})

    assert isinstance(event, SuppressionAdded)
    assert (event.id, event.suppression_id, event.address) == ("evt_1", "sup_1", "a@x.test")
